// What an operator can do to origins. All of it is a write of the API with the token of this tab.

import { forOrigin, hasToken, Problem, send } from "./api.js";
import { ask, field } from "./dialog.js";
import { el } from "./dom.js";

/** A name for the add dialog's checks: the node's own judgement is the one that counts. */
const NAME_BYTES = 255;

const DONE = {
  drain: "is draining", maintenance: "is in maintenance", enable: "is enabled", check: "will be checked now", remove: "was removed",
};

export class Actions {
  /** `token(why)` asks for a token and resolves to whether there is one; `tell(text, error)` shows what came of it. */
  constructor(token, tell) {
    Object.assign(this, { token, tell });
  }

  async hasToken() {
    return hasToken() || this.token("Changes need a token that allows writing.");
  }

  /** `drain`, `maintenance`, `enable` or `check`. */
  async act(verb, name) {
    if (!(await this.hasToken())) return;
    try {
      await send("POST", forOrigin(name, verb));
      this.tell(`${name} ${DONE[verb]}.`);
    } catch (error) {
      await this.failed(error);
    }
  }

  async failed(error) {
    this.tell(null, error);
    if (error.status === 401) await this.token("The node does not know the token. Changes need one that allows writing.");
  }

  async remove(name) {
    if (!(await this.hasToken())) return false;
    return ask({
      title: `Remove ${name}?`,
      fields: [el("p", { text: "No node checks it any more, and its health is forgotten, on all nodes. Adding it again begins anew." })],
      action: "Remove it",
      isDangerous: true,
      submit: async () => {
        await send("DELETE", forOrigin(name));
        this.tell(`${name} ${DONE.remove}.`);
      },
    });
  }

  async add() {
    if (!(await this.hasToken())) return;
    let added = null;
    const input = (name, attributes = {}) => el("input", { name, autocomplete: "off", spellcheck: "false", ...attributes });
    await ask({
      title: "Add an origin",
      fields: [
        field("Name", input("name", { maxlength: NAME_BYTES }), "Unique in the cluster."),
        field("URL", input("url", { class: "mono", inputmode: "url" }), "http://, https://, tcp://host:port or grpc://host:port/service"),
        el("div", { class: "columns" },
          field("Interval", input("interval", { placeholder: "5s" })), field("Timeout", input("timeout", { placeholder: "2s" })),
          field("Fall", input("fall", { placeholder: "3", inputmode: "numeric" })), field("Rise", input("rise", { placeholder: "2", inputmode: "numeric" }))),
        field("Tags", input("tags"), "Words, separated by spaces."),
        el("details", {}, el("summary", { text: "More keys" }),
          field("As JSON", el("textarea", { name: "more", rows: "4", class: "mono", spellcheck: "false", placeholder: '{"expected_statuses": ["200-299"], "slow": "500ms"}' }),
            "Any key of an origin's document; node/REFERENCE.md lists them.")),
      ],
      action: "Add it",
      submit: async (form) => {
        const text = (key) => String(form.get(key)).trim();
        if (text("name") === "") throw new Problem(0, "The name is missing", "origins are told apart by it");
        const body = { ...more(text("more")), url: text("url") };
        for (const key of ["interval", "timeout"]) if (text(key) !== "") body[key] = text(key);
        for (const key of ["fall", "rise"]) if (text(key) !== "") body[key] = Number(text(key));
        if (text("tags") !== "") body.tags = text("tags").split(/[\s,]+/).filter(Boolean);
        const headers = { "content-type": "application/json", "if-none-match": "*" };
        try {
          await send("PUT", forOrigin(text("name")), { headers, body: JSON.stringify(body) });
        } catch (error) {
          if (error.status !== 412) throw error;
          throw new Problem(412, "There is one of that name", `${text("name")} was left as it is`, "Take another name.");
        }
        added = text("name");
        this.tell(`${added} was added.`);
      },
    });
    return added;
  }
}

function more(text) {
  if (text === "") return {};
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Problem(0, "The further keys are no JSON", error.message);
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new Problem(0, "The further keys are no JSON object", "write them as {\"key\": value}");
  }
  return value;
}
