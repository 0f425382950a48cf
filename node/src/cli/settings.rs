//! Flags for all settings, and where else settings come from: the environment and a file.

use crate::report::{Place, Problem, Problems};
use crate::settings::{Given, Settings, Sources, settings};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::PathBuf;

const CONFIG: &str = "config";
const CONFIG_VARIABLE: &str = "HECK_CONFIG";

/// The flags of all settings, and that of the file.
#[derive(Clone, Default, Debug)]
pub(crate) struct SettingFlags {
    config: Option<PathBuf>,
    flags: BTreeMap<&'static str, Vec<String>>,
}

impl SettingFlags {
    /// Reads the settings from flags, environment and file.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn read(&self) -> Result<(Settings, Given), Problems> {
        // A variable that is no UTF-8 is none of heck's, or a wrong value that is shown with marks.
        let variables = env::vars_os().filter_map(|(name, value)| {
            let name = name.into_string().ok().filter(|name| name.starts_with("HECK_"))?;
            Some((name, value.to_string_lossy().into_owned()))
        });
        let variables: BTreeMap<String, String> = variables.collect();
        let path = self.config.clone().or_else(|| variables.get(CONFIG_VARIABLE).map(PathBuf::from));
        let file = match path.filter(|path| !path.as_os_str().is_empty()) {
            None => None,
            Some(path) => {
                let text = fs::read_to_string(&path).map_err(|error| {
                    let place = match self.config {
                        Some(_) => Place::Flag(CONFIG.to_owned()),
                        None => Place::Variable(CONFIG_VARIABLE.to_owned()),
                    };
                    let what = format!("{} cannot be read: {error}", path.display());
                    Problems(vec![Problem { place, what, help: String::new() }])
                })?;
                Some((path.display().to_string(), text))
            }
        };
        Sources { file, variables, flags: self.flags.clone() }.read()
    }
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new(CONFIG).long(CONFIG).value_name("FILE").help(format!(
            "The file of settings; `heck config` prints a sample [variable: {CONFIG_VARIABLE}]"
        ));
        settings().fold(command.arg(config), |command, setting| {
            let default = match setting.show(&Settings::default()) {
                Some(value) => format!(" [default: {}]", value.trim_matches('"')),
                None => String::new(),
            };
            let mut arg = Arg::new(setting.key)
                .long(setting.flag())
                .value_name(setting.metavar)
                .help(format!("{}{default}", setting.help.trim_end_matches('.')))
                .action(if setting.is_list() { ArgAction::Append } else { ArgAction::Set });
            if !setting.section().is_empty() {
                arg = arg.help_heading(format!("Settings of {}", setting.section()));
            }
            if setting.is_switch() {
                arg = arg.num_args(0..=1).require_equals(true).default_missing_value("true");
            }
            command.arg(arg)
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut this = Self::default();
        this.update_from_arg_matches(matches)?;
        Ok(this)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.config = matches.get_one::<String>(CONFIG).map(PathBuf::from);
        for setting in settings() {
            if let Some(values) = matches.get_many::<String>(setting.key) {
                self.flags.insert(setting.key, values.cloned().collect());
            }
        }
        Ok(())
    }
}
