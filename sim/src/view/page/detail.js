// The panel beside the picture: a frame, a stream's story, or how to use the page.

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function swatch(colour) {
  return element("span", { class: "swatch", style: `background: var(--${colour})` });
}

function hexDump(hex) {
  const bytes = hex.match(/../g) ?? [];
  const lines = [];
  for (let at = 0; at < bytes.length; at += 8) {
    const row = bytes.slice(at, at + 8);
    const letters = row.map((byte) => {
      const code = parseInt(byte, 16);
      return code >= 32 && code < 127 ? String.fromCharCode(code) : "·";
    });
    lines.push(at.toString(16).padStart(4, "0") + "  " + row.join(" ").padEnd(23) + "  " + letters.join(""));
  }
  return lines.join("\n");
}

function table(rows) {
  const made = element("table");
  for (const [name, value] of rows) {
    made.append(element("tr", {}, element("td", {}, name), element("td", {}, String(value))));
  }
  return made;
}

function frameDetail(frame, header) {
  const arrived = frame.arrived;
  // Only one end of a live connection is seen, and what arrives there was sent at a moment that nobody knows.
  const wasSent = frame.passage === "sent";
  const travel = arrived && wasSent ? `, ${duration(arrived.at - frame.place.at)} later` : "";
  const bothSeen = header.sides.length === 2;
  const of = frame.lane.request === null ? "" : `, request #${frame.lane.request}`;
  const nodes = [
    element("h2", {}, swatch(frame.colour), frame.type),
    element("p", { class: "label" }, `from ${frame.sender}, frame ${frame.number} of its direction`),
    table([
      ["stream", frame.stream === 0 ? "0, the connection" : frame.stream + of],
      ["flags", frame.flags.join(" ") || "none"],
      ["length", frame.length.toLocaleString("en") + " bytes"],
      ["sent", wasSent ? duration(frame.place.at) : "not seen"],
      ["arrived", arrived ? duration(arrived.at) + travel : bothSeen ? "never" : "not seen"],
    ]),
  ];
  if (frame.fields) nodes.push(element("h3", {}, "fields"), element("pre", {}, frame.fields));
  nodes.push(element("h3", {}, "head"), element("pre", { class: "hex" }, hexDump(frame.head)));
  if (frame.payload) {
    const kept = frame.payload.length / 2;
    const title = kept < frame.length ? `payload, the first ${kept} bytes` : "payload";
    nodes.push(element("h3", {}, title), element("pre", { class: "hex" }, hexDump(frame.payload)));
  }
  return nodes;
}

function storyOf(lane, near) {
  const list = element("ul", { class: "story" });
  const closest = near === null ? null : lane.story.findLast(({ place }) => place.order <= near);
  for (const entry of lane.story) {
    const text = element("span", {}, element("span", { class: "side" }, entry.side + " "), entry.text);
    const item = element("li", {}, element("time", {}, duration(entry.place.at)), text);
    if (entry === closest) item.className = "near";
    list.append(item);
  }
  return list;
}

function laneDetail(lane, near) {
  const nodes = [];
  const request = lane.request === null ? "" : `, request #${lane.request}`;
  nodes.push(element("h2", {}, laneName(lane) + request));
  const bytes = (side) => lane.frames.filter((frame) => frame.sender === side && frame.type === "DATA")
    .reduce((sum, frame) => sum + frame.length, 0).toLocaleString("en");
  const rows = [["frames", lane.frames.length], ["client", bytes("client") + " bytes of DATA"],
    ["server", bytes("server") + " bytes of DATA"]];
  if (lane.outcome) rows.push(["ended", lane.outcome]);
  nodes.push(table(rows));
  if (lane.story.length > 0) nodes.push(element("h3", {}, "what the applications saw"), storyOf(lane, near));
  return nodes;
}

// What there is to say while nothing is chosen. What was wrong comes first, in full.
function usage(header) {
  const keys = [["click", "a frame, for its fields and bytes; a lane, for its story"], ["wheel", "zoom; with shift, move in time"],
    ["drag", "move in time and through the streams"], ["← →", "move in time"], ["↑ ↓", "through the streams"],
    ["+ −", "zoom"], ["0", "show everything"], ["n p", "next and previous frame of the lane"], ["t", "by time, or by order"],
    ["esc", "choose nothing"]];
  const list = element("div", { class: "keys" });
  for (const [key, text] of keys) list.append(element("span", {}, element("kbd", {}, key)), element("span", {}, text));
  const wrong = header.good ? [] : [element("h2", {}, "What was wrong"), element("pre", { class: "wrong" }, header.verdict)];
  return [
    ...wrong,
    element("h2", {}, "How to read this"),
    element("p", {}, "Each lane is a stream. What the client sends stands above its line, what the server sends below; "
      + "a slope leads from where a frame was sent to where it arrived. Bars behind the frames say what that end of the "
      + "stream waits for."),
    element("h3", {}, "keys"), list,
  ];
}

function showDetail(panel, header, chosen) {
  const { frame, lane, near } = chosen;
  let nodes = usage(header);
  if (frame) {
    nodes = frameDetail(frame, header);
    if (frame.lane.story.length > 0) nodes.push(element("h3", {}, "meanwhile"), storyOf(frame.lane, frame.place.order));
  } else if (lane) {
    nodes = laneDetail(lane, near);
  }
  panel.classList.toggle("chosen", Boolean(frame || lane));
  panel.replaceChildren(...nodes);
  panel.querySelector(".near")?.scrollIntoView({ block: "nearest" });
}
