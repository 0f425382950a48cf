// Server-sent events of a stream that is read by `fetch`, as an EventSource sends no token.

/** Reads events from the body of an answer until it ends, as many at once as have arrived; none is a sign of life. */
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      rest += value;
      const blocks = rest.split(/\r?\n\r?\n/);
      rest = blocks.pop();
      if (blocks.length === 0) yield [];
      else yield blocks.map(parse).filter(Boolean);
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** One event; none where a block is but a comment. */
export function parse(block) {
  const event = { kind: "message", id: null, data: "" };
  const data = [];
  for (const line of block.split(/\r?\n/)) {
    if (line === "" || line[0] === ":") continue;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "event") event.kind = value;
    else if (field === "id") event.id = value;
    else if (field === "data") data.push(value);
  }
  if (data.length === 0) return null;
  event.data = data.join("\n");
  return event;
}
