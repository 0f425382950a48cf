//! Macros that turn one declaration into a struct, its reader, its writer and its page in the reference.
//!
//! A key is declared once: documentation, name, type, default and range. Reading, canonical writing, the list
//! of known keys in error messages and `scenarios/LANGUAGE.md` all follow from that line.

/// A table whose keys are the fields of a struct. `flatten` takes the keys of another section into this table.
macro_rules! section {
    (
        $title:literal
        $(#[doc = $doc:literal])*
        pub struct $name:ident {
            $($(#[doc = $field_doc:literal])* $field:ident: $type:ty = $spec:expr,)*
        }
        $(flatten { $(#[doc = $inner_doc:literal])* $inner:ident: $inner_type:ty })?
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, PartialEq, Debug)]
        pub struct $name {
            $($(#[doc = $field_doc])* pub $field: $type,)*
            $($(#[doc = $inner_doc])* pub $inner: $inner_type,)?
        }

        impl $crate::scenario::read::Section for $name {
            fn table_shape() -> $crate::scenario::read::TableShape {
                #[allow(unused_mut, reason = "only a section with a flattened one adds to its keys")]
                let mut keys = vec![$($crate::scenario::read::KeyShape {
                    name: stringify!($field),
                    doc: vec![$($field_doc),*],
                    spec: $spec,
                    optional: <$type as $crate::scenario::read::Value>::absent().is_some(),
                    shape: <$type as $crate::scenario::read::Value>::shape(),
                },)*];
                $(keys.extend(<$inner_type as $crate::scenario::read::Section>::table_shape().keys);)?
                $crate::scenario::read::TableShape { title: $title, doc: vec![$($doc),*], keys }
            }

            fn read_fields(
                table: &mut $crate::scenario::read::TableReader<'_>,
                problems: &mut $crate::scenario::problem::Problems,
            ) -> Option<Self> {
                // Every field is read before the first missing one ends it, so that all problems show at once.
                $(let $field = table.field(stringify!($field), $spec, problems);)*
                $(let $inner = <$inner_type as $crate::scenario::read::Section>::read_fields(table, problems);)?
                Some(Self { $($field: $field?,)* $($inner: $inner?,)? })
            }

            fn write_fields(&self, table: &mut toml::Table) {
                $(if let Some(value) = $crate::scenario::read::Value::write(&self.$field) {
                    table.insert(stringify!($field).to_owned(), value);
                })*
                $($crate::scenario::read::Section::write_fields(&self.$inner, table);)?
            }
        }

        impl $crate::scenario::read::Value for $name {
            fn shape() -> $crate::scenario::read::Shape {
                $crate::scenario::read::Shape::Table(
                    <Self as $crate::scenario::read::Section>::table_shape(),
                )
            }

            fn read(
                node: &$crate::scenario::tree::Node,
                key: &str,
                problems: &mut $crate::scenario::problem::Problems,
            ) -> Option<Self> {
                let mut table = $crate::scenario::read::TableReader::new(node, key, problems)?;
                let section = <Self as $crate::scenario::read::Section>::read_fields(&mut table, problems);
                table.finish(problems);
                section
            }

            fn write(&self) -> Option<toml::Value> {
                let mut table = toml::Table::new();
                $crate::scenario::read::Section::write_fields(self, &mut table);
                Some(toml::Value::Table(table))
            }
        }
    };
}

/// A word out of a fixed list.
macro_rules! choice {
    (
        $(#[doc = $doc:literal])*
        pub enum $name:ident { $($(#[doc = $variant_doc:literal])* $variant:ident = $word:literal,)* }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum $name { $($(#[doc = $variant_doc])* $variant,)* }

        impl $name {
            /// All of them, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word that files use.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl $crate::scenario::read::Value for $name {
            fn shape() -> $crate::scenario::read::Shape {
                let words: &[&str] = &[$(concat!("\"", $word, "\"")),*];
                $crate::scenario::read::Shape::Scalar(words.join(" or "))
            }

            fn read(
                node: &$crate::scenario::tree::Node,
                key: &str,
                problems: &mut $crate::scenario::problem::Problems,
            ) -> Option<Self> {
                let words: &[&str] = &[$($word),*];
                match &node.item {
                    $($crate::scenario::tree::Item::Text(text) if text == $word => Some(Self::$variant),)*
                    $crate::scenario::tree::Item::Text(text) => {
                        let near = $crate::scenario::read::did_you_mean(text, words);
                        problems.value(node, key, format!("is not known{near}"), words.join(", "));
                        None
                    }
                    _ => {
                        problems.value(node, key, "is no word", words.join(", "));
                        None
                    }
                }
            }

            fn write(&self) -> Option<toml::Value> {
                Some(self.word().into())
            }
        }
    };
}

/// A table with exactly one key, which says what kind of thing its value is. With `or`, the first kind may
/// also be written bare, without the table.
macro_rules! one_of {
    (
        $title:literal $(or $bare:ident)?
        $(#[doc = $doc:literal])*
        pub enum $name:ident { $($(#[doc = $variant_doc:literal])* $variant:ident($type:ty) = $word:literal,)* }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, PartialEq, Debug)]
        pub enum $name { $($(#[doc = $variant_doc])* $variant($type),)* }

        impl $crate::scenario::read::Value for $name {
            fn shape() -> $crate::scenario::read::Shape {
                let keys = vec![$($crate::scenario::read::KeyShape {
                    name: $word,
                    doc: vec![$($variant_doc),*],
                    spec: $crate::scenario::read::plain(),
                    optional: true,
                    shape: <$type as $crate::scenario::read::Value>::shape(),
                },)*];
                #[allow(unused_assignments, unused_mut, reason = "set only by those with a bare form")]
                let mut bare = None;
                $(bare = Some(Box::new(<$bare>::shape()));)?
                let table = $crate::scenario::read::TableShape { title: $title, doc: vec![$($doc),*], keys };
                $crate::scenario::read::Shape::OneOf(table, bare)
            }

            fn read(
                node: &$crate::scenario::tree::Node,
                key: &str,
                problems: &mut $crate::scenario::problem::Problems,
            ) -> Option<Self> {
                $(if !matches!(node.item, $crate::scenario::tree::Item::Table(_)) {
                    return <$bare>::read(node, key, problems).map(Self::from);
                })?
                let table = $crate::scenario::read::TableReader::new(node, key, problems)?;
                let (word, inner) = table.only_key(&[$($word),*], problems)?;
                let path = $crate::scenario::read::join(key, word);
                match word {
                    $($word => <$type>::read(inner, &path, problems).map(Self::$variant),)*
                    _ => None,
                }
            }

            fn write(&self) -> Option<toml::Value> {
                let (word, value) = match self {
                    $(Self::$variant(inner) => ($word, inner.write()?),)*
                };
                Some(toml::Value::Table(toml::Table::from_iter([(word.to_owned(), value)])))
            }
        }
    };
}

pub(super) use {choice, one_of, section};
