// Puts the page together and hears what its user does.

const $ = (id) => document.getElementById(id);
const KEY_STEP = .15; // Part of the view that an arrow key moves.

class Page {
  constructor(model) {
    this.model = model;
    this.picture = new Picture(model, $("lanes"), $("windows"));
    this.waiting = false;
    this.theme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    this.tell();
    this.legend();
    this.listen();
    this.setScale(model.isCrowded() ? "order" : "at");
    this.choose({});
  }

  redraw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.picture.draw();
    });
  }

  // The header: what is known of the whole.
  tell() {
    const { header, frames, end } = this.model;
    $("verdict").textContent = header.verdict.split("\n")[0];
    $("verdict").title = header.verdict;
    $("verdict").classList.add(header.good ? "good" : "bad");
    const streams = this.model.lanes.filter((lane) => lane.stream).length;
    const facts = [["seed", header.seed], ["tier", header.tier], ["seen at", header.sides.join(" and ")],
      ["streams", streams], ["frames", frames.length.toLocaleString("en")], ["lasted", duration(end.at)]];
    for (const [name, value] of facts) {
      if (value === undefined) continue;
      $("facts").append(element("div", {}, element("dt", {}, name), element("dd", {}, String(value))));
    }
    $("replay-line").hidden = !header.replay;
    if (!header.replay) $("replay-line").style.display = "none";
    $("replay").textContent = header.replay ?? "";
  }

  legend() {
    const present = new Set(this.model.frames.map((frame) => frame.colour));
    for (const type of TYPES.filter((type) => present.has(type))) {
      const button = element("button", { type: "button", "aria-pressed": "true", title: "Show or hide" }, swatch(type), type);
      button.addEventListener("click", () => {
        const hide = button.getAttribute("aria-pressed") === "true";
        button.setAttribute("aria-pressed", String(!hide));
        this.picture.hidden[hide ? "add" : "delete"](type);
        this.redraw();
      });
      $("legend").append(button);
    }
    const waits = this.model.lanes.flatMap((lane) => [...lane.waits.client, ...lane.waits.server]);
    const causes = new Set(waits.map((wait) => wait.cause));
    const parts = Object.entries(CAUSES).filter(([cause]) => causes.has(cause));
    $("causes").append("waits for");
    for (const [cause, text] of parts) $("causes").append(element("span", {}, swatch(cause), text));
    for (const fault of new Set(this.model.faults.map(({ fault }) => fault))) {
      $("causes").append(element("span", {}, swatch(fault), "transport: " + fault));
    }
  }

  theme(name) {
    document.documentElement.dataset.theme = name;
    this.picture.readColours();
    this.redraw();
  }

  setScale(scale) {
    this.picture.scale = scale;
    $("by-time").setAttribute("aria-pressed", String(scale === "at"));
    $("by-order").setAttribute("aria-pressed", String(scale === "order"));
    this.fit();
  }

  fit() {
    const most = Math.max(this.model.end[this.picture.scale], 1);
    this.view(-most * .012, most * 1.012);
  }

  view(from, to) {
    const { picture, model } = this;
    const end = Math.max(model.end[picture.scale], 1);
    const span = Math.min(Math.max(to - from, picture.scale === "at" ? 100 : 4), end * 1.2);
    const middle = Math.min(Math.max((from + to) / 2, 0), end);
    picture.from = middle - span / 2;
    picture.to = middle + span / 2;
    this.redraw();
  }

  zoom(factor, at) {
    const { from, to } = this.picture;
    const fixed = at ?? (from + to) / 2;
    this.view(fixed - (fixed - from) * factor, fixed + (to - fixed) * factor);
  }

  pan(part) {
    const { from, to } = this.picture;
    this.view(from + (to - from) * part, to + (to - from) * part);
  }

  scrollBy(pixels) {
    const { picture } = this;
    picture.scroll = Math.min(Math.max(picture.scroll + pixels, 0), picture.scrollMax);
    this.redraw();
  }

  filter(text) {
    this.picture.lanes = this.model.lanes.filter(laneFilter(text));
    this.scrollBy(0);
  }

  choose({ frame = null, lane = null, near = null }) {
    this.picture.chosen = { frame, lane };
    showDetail($("detail"), this.model.header, { frame, lane, near });
    this.redraw();
  }

  // The next frame of the chosen one's lane, brought into view.
  step(by) {
    const { picture } = this;
    const { frame, lane } = picture.chosen;
    const frames = (frame?.lane ?? lane ?? picture.lanes[0])?.frames.filter((one) => picture.shows(one)) ?? [];
    const next = frame ? frames[frames.indexOf(frame) + by] : frames[0];
    if (!next) return;
    this.choose({ frame: next });
    const value = next.place[picture.scale];
    if (value < picture.from || value > picture.to) {
      const half = (picture.to - picture.from) / 2;
      this.view(value - half, value + half);
    }
  }

  listen() {
    $("copy").addEventListener("click", () => navigator.clipboard?.writeText($("replay").textContent));
    $("filter").addEventListener("input", (event) => this.filter(event.target.value));
    $("by-time").addEventListener("click", () => this.setScale("at"));
    $("by-order").addEventListener("click", () => this.setScale("order"));
    $("zoom-in").addEventListener("click", () => this.zoom(1 / 1.6));
    $("zoom-out").addEventListener("click", () => this.zoom(1.6));
    $("fit").addEventListener("click", () => this.fit());
    $("theme").addEventListener("click", () =>
      this.theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
    for (const canvas of [$("lanes"), $("windows")]) this.listenTo(canvas);
    document.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.scrollBy(0)).observe($("stage"));
  }

  listenTo(canvas) {
    let held = null;
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
      if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) this.pan(sideways / 1_000);
      else if (event.offsetX < GUTTER) this.scrollBy(event.deltaY);
      else this.zoom(Math.exp(event.deltaY / 500), this.picture.value(event.offsetX));
    }, { passive: false });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      held = { x: event.offsetX, y: event.offsetY, moved: false };
    });
    canvas.addEventListener("pointermove", (event) => {
      this.point(canvas, event);
      if (!held) return;
      const [dx, dy] = [event.offsetX - held.x, event.offsetY - held.y];
      if (!held.moved && Math.hypot(dx, dy) < 4) return;
      canvas.classList.add("dragging");
      held = { x: event.offsetX, y: event.offsetY, moved: true };
      this.pan(-dx / this.picture.width);
      if (canvas === $("lanes")) this.scrollBy(-dy);
    });
    canvas.addEventListener("pointerup", (event) => {
      canvas.classList.remove("dragging");
      if (held && !held.moved && canvas === $("lanes")) this.click(event.offsetX, event.offsetY);
      held = null;
    });
    canvas.addEventListener("pointerleave", () => {
      this.picture.pointer = null;
      $("tip").hidden = true;
      this.redraw();
    });
  }

  click(x, y) {
    const frame = this.picture.frameAt(x, y);
    const near = this.model.placeAt(this.picture.momentOf(this.picture.value(x))).order;
    const lane = frame ? null : this.picture.laneAt(y) ?? null;
    this.choose({ frame, lane, near: x < GUTTER ? null : near });
  }

  point(canvas, event) {
    const { picture } = this;
    picture.pointer = event.offsetX;
    const value = picture.value(event.offsetX);
    const lines = [duration(Math.max(0, picture.momentOf(value)))];
    const frame = canvas === $("lanes") ? picture.frameAt(event.offsetX, event.offsetY) : null;
    if (frame) {
      lines[0] = `${frame.type}, ${frame.length} bytes, from ${frame.sender}`;
      lines.push([duration(frame.place.at), ...frame.flags].join("  "));
    } else if (canvas === $("lanes")) {
      const lane = picture.laneAt(event.offsetY);
      for (const side of ["client", "server"]) {
        const wait = lane?.waits[side].find((w) => w.from[picture.scale] <= value && value < w.to[picture.scale]);
        if (wait) lines.push(`${side} waits for: ${CAUSES[wait.cause] ?? wait.cause}`);
      }
    } else {
      const stream = (picture.chosen.lane ?? picture.chosen.frame?.lane)?.stream ?? 0;
      for (const side of ["client", "server"]) {
        const window = (id) => picture.windowAt(side, id, value)?.toLocaleString("en");
        lines.push(`${side} may send ${window(0) ?? "?"}` + (stream ? `, on stream ${stream} ${window(stream) ?? "nothing"}` : ""));
      }
    }
    canvas.classList.toggle("pointing", Boolean(frame));
    this.tip(event.offsetX, event.offsetY + canvas.offsetTop, lines.join("\n"));
    this.redraw();
  }

  tip(x, y, text) {
    const tip = $("tip");
    tip.hidden = x < GUTTER;
    tip.textContent = text;
    const stage = $("stage");
    const left = x + 16 + tip.offsetWidth > stage.clientWidth ? x - 16 - tip.offsetWidth : x + 16;
    tip.style.left = left + "px";
    tip.style.top = Math.min(y + 14, stage.clientHeight - tip.offsetHeight - 4) + "px";
  }

  key(event) {
    if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey) return;
    const actions = {
      ArrowLeft: () => this.pan(-KEY_STEP), ArrowRight: () => this.pan(KEY_STEP),
      ArrowUp: () => this.scrollBy(-LANE), ArrowDown: () => this.scrollBy(LANE),
      "+": () => this.zoom(1 / 1.6), "=": () => this.zoom(1 / 1.6), "-": () => this.zoom(1.6), 0: () => this.fit(),
      n: () => this.step(1), p: () => this.step(-1), Escape: () => this.choose({}),
      t: () => this.setScale(this.picture.scale === "at" ? "order" : "at"),
    };
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }
}

// The page's one name outside of its own scripts, for tests and for the console.
window.timeline = new Page(new Model($("trace").textContent));
