// Draws what is in view, and nothing else, so that long traces stay quick.

const GUTTER = 132; // Pixels left of the picture, for names.
const AXIS = 30; // Pixels above it, for moments.
const LANE = 42;
const TICK = 3;

class Picture {
  constructor(model, lanesCanvas, windowsCanvas) {
    this.model = model;
    this.canvases = { lanes: lanesCanvas, windows: windowsCanvas };
    this.scale = "at"; // or "order"
    this.from = 0;
    this.to = 1;
    this.scroll = 0;
    this.lanes = model.lanes;
    this.hidden = new Set();
    this.chosen = { frame: null, lane: null };
    this.pointer = null;
    this.colours = {};
  }

  readColours() {
    const style = getComputedStyle(document.documentElement);
    const names = ["back", "card", "ink", "soft", "line", "band", "accent", "good", "bad", "stall", "delay", "cut", "reset",
      ...TYPES, ...Object.keys(CAUSES)];
    for (const name of names) this.colours[name] = style.getPropertyValue("--" + name).trim();
  }

  get width() { return this.canvases.lanes.clientWidth - GUTTER - 8; }
  get height() { return this.canvases.lanes.clientHeight - AXIS; }
  get scrollMax() { return Math.max(0, this.lanes.length * LANE - this.height + 8); }

  x(place) { return GUTTER + (place[this.scale] - this.from) / (this.to - this.from) * this.width; }
  value(x) { return this.from + (x - GUTTER) / this.width * (this.to - this.from); }
  laneTop(index) { return AXIS + index * LANE - this.scroll; }
  laneAt(y) { return y < AXIS ? undefined : this.lanes[Math.floor((y - AXIS + this.scroll) / LANE)]; }

  // The moment of a value of the scale.
  momentOf(value) {
    if (this.scale === "at") return value;
    const moments = this.model.moments;
    return moments[Math.min(Math.max(Math.round(value), 0), moments.length - 1)] ?? 0;
  }

  shows(frame) { return !this.hidden.has(frame.colour); }

  // Frames of a lane from the first that may be in view on, until `each` is done with those that are.
  eachFrame(lane, each) {
    const frames = lane.frames;
    // One that was sent before the view may arrive in it: look back by as long as any frame of the lane took.
    let [low, high] = [0, frames.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (frames[middle].place[this.scale] < this.from - this.longest(lane)) low = middle + 1;
      else high = middle;
    }
    for (let at = low; at < frames.length && frames[at].place[this.scale] <= this.to; at += 1) {
      if (this.shows(frames[at])) each(frames[at]);
    }
  }

  longest(lane) {
    lane.longest ??= {};
    lane.longest[this.scale] ??= lane.frames.reduce(
      (most, { place, arrived }) => Math.max(most, arrived ? arrived[this.scale] - place[this.scale] : 0), 0);
    return lane.longest[this.scale];
  }

  begin(canvas) {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const ctx = canvas.getContext("2d");
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    ctx.fillStyle = this.colours.card;
    ctx.fillRect(0, 0, width, height);
    ctx.font = '11.5px system-ui, "DejaVu Sans", sans-serif';
    ctx.textBaseline = "middle";
    return ctx;
  }

  draw() {
    this.drawLanes();
    this.drawWindows();
  }

  drawLanes() {
    const ctx = this.begin(this.canvases.lanes);
    const [right, bottom] = [GUTTER + this.width, AXIS + this.height];
    const first = Math.max(0, Math.floor(this.scroll / LANE));
    const last = Math.min(this.lanes.length, Math.ceil((this.scroll + this.height) / LANE));
    ctx.save();
    ctx.beginPath();
    ctx.rect(0, AXIS, this.canvases.lanes.clientWidth, this.height);
    ctx.clip();
    for (let at = first; at < last; at += 1) this.drawLaneGround(ctx, this.lanes[at], this.laneTop(at), right);
    ctx.beginPath();
    ctx.rect(GUTTER, AXIS, this.width + 8, this.height);
    ctx.clip();
    this.drawGrid(ctx, AXIS, bottom);
    for (let at = first; at < last; at += 1) this.drawWaits(ctx, this.lanes[at], this.laneTop(at));
    this.drawFaults(ctx, AXIS, bottom);
    for (let at = first; at < last; at += 1) this.drawFrames(ctx, this.lanes[at], this.laneTop(at));
    this.drawChosen(ctx);
    this.drawPointer(ctx, AXIS, bottom);
    ctx.restore();
    this.drawAxis(ctx);
    this.drawScrollbar(ctx);
  }

  drawLaneGround(ctx, lane, top, right) {
    const { ink, soft, line, band } = this.colours;
    const middle = top + LANE / 2;
    if (lane === (this.chosen.lane ?? this.chosen.frame?.lane)) {
      ctx.fillStyle = band;
      ctx.fillRect(0, top, right + 8, LANE);
      ctx.fillStyle = this.colours.accent;
      ctx.fillRect(0, top, 3, LANE);
    }
    ctx.fillStyle = line;
    ctx.fillRect(0, top + LANE - 1, right + 8, 1);
    ctx.textAlign = "left";
    ctx.fillStyle = ink;
    ctx.font = '600 12px system-ui, "DejaVu Sans", sans-serif';
    ctx.fillText(lane.stream === 0 ? "connection" : lane.stream === null ? "—" : String(lane.stream), 16, middle);
    ctx.font = '11.5px system-ui, "DejaVu Sans", sans-serif';
    ctx.fillStyle = soft;
    if (lane.request !== null) ctx.fillText("#" + lane.request, 62, middle);
    if (lane.outcome) {
      ctx.textAlign = "right";
      ctx.fillStyle = lane.outcome === "finished" ? this.colours.good : this.colours.bad;
      ctx.fillText(lane.outcome === "finished" ? "✓" : "✕", GUTTER - 12, middle);
    }
    if (lane.first !== null) {
      ctx.fillStyle = line;
      const [from, to] = [Math.max(GUTTER, this.x(lane.first)), Math.min(right, this.x(lane.last))];
      if (to > from) ctx.fillRect(from, middle - .5, to - from, 1);
    }
  }

  drawWaits(ctx, lane, top) {
    for (const [side, y] of [["client", top + 4], ["server", top + LANE / 2 + 1]]) {
      for (const wait of lane.waits[side]) {
        const [from, to] = [Math.max(this.x(wait.from), GUTTER - 4), Math.min(this.x(wait.to), GUTTER + this.width + 8)];
        if (to <= from) continue;
        ctx.fillStyle = this.colours[wait.cause] ?? this.colours.Peer;
        const calm = wait.cause === "Peer" || wait.cause === "Writer";
        ctx.globalAlpha = calm ? .55 : .62;
        ctx.fillRect(from, y, Math.max(to - from, 1), LANE / 2 - 5);
      }
    }
    ctx.globalAlpha = 1;
  }

  drawFrames(ctx, lane, top) {
    const middle = top + LANE / 2;
    const right = GUTTER + this.width + 8;
    const drawn = {};
    this.eachFrame(lane, (frame) => {
      const x = this.x(frame.place);
      const rise = frame.sender === "client" ? -1 : 1;
      const tall = this.tallness(frame);
      // One that would stand behind one of its kind, on the same pixel, is not seen.
      const kind = frame.sender + frame.colour;
      const before = drawn[kind];
      const ends = frame.flags.includes("END_STREAM");
      if (before && x - before.x < .5 && tall <= before.tall && !ends) return;
      drawn[kind] = { x, tall };
      ctx.fillStyle = this.colours[frame.colour];
      if (frame.arrived) {
        const end = Math.min(this.x(frame.arrived), right + 4_000);
        if (end - x > 3) {
          ctx.globalAlpha = .2;
          ctx.beginPath();
          ctx.moveTo(x, middle + rise * tall);
          ctx.lineTo(end, middle);
          ctx.lineTo(x, middle);
          ctx.fill();
          ctx.globalAlpha = .8;
          ctx.beginPath();
          ctx.arc(end, middle, 1.6, 0, 7);
          ctx.fill();
          ctx.globalAlpha = 1;
        }
      }
      ctx.fillRect(x - TICK / 2, rise < 0 ? middle - tall : middle, TICK, tall);
      if (ends) {
        ctx.beginPath();
        ctx.arc(x, middle + rise * tall, 3, 0, 7);
        ctx.fill();
      }
    });
  }

  // DATA stands as high as it is long, by its order of magnitude.
  tallness(frame) {
    const most = LANE / 2 - 4;
    if (frame.type !== "DATA") return most;
    return Math.min(most, 5 + Math.log2(1 + frame.length) * (most - 5) / 14);
  }

  drawFaults(ctx, top, bottom) {
    for (const fault of this.model.faults) {
      const colour = this.colours[fault.fault] ?? this.colours.stall;
      const [from, to] = [this.x(fault.from), this.x(fault.to)];
      if (to < GUTTER || from > GUTTER + this.width) continue;
      ctx.fillStyle = colour;
      if (to - from < 2) {
        ctx.fillRect(from - 1, top, 2, bottom - top);
        continue;
      }
      ctx.globalAlpha = .07;
      ctx.fillRect(from, top, to - from, bottom - top);
      ctx.globalAlpha = .55;
      ctx.fillRect(from, top, 1, bottom - top);
      ctx.fillRect(to - 1, top, 1, bottom - top);
      ctx.globalAlpha = 1;
    }
  }

  drawGrid(ctx, top, bottom) {
    ctx.fillStyle = this.colours.line;
    ctx.globalAlpha = .6;
    for (const value of this.ticks().values) ctx.fillRect(Math.round(this.x({ [this.scale]: value })), top, 1, bottom - top);
    ctx.globalAlpha = 1;
  }

  ticks() {
    const rough = (this.to - this.from) / Math.max(2, this.width / 110);
    const power = 10 ** Math.floor(Math.log10(rough));
    let step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
    step = Math.max(1, Math.round(step));
    const values = [];
    for (let value = Math.ceil(this.from / step) * step; value <= this.to; value += step) values.push(value);
    return { step, values };
  }

  drawAxis(ctx) {
    const { card, soft, line } = this.colours;
    ctx.fillStyle = card;
    ctx.fillRect(0, 0, this.canvases.lanes.clientWidth, AXIS);
    ctx.fillStyle = line;
    ctx.fillRect(0, AXIS - 1, this.canvases.lanes.clientWidth, 1);
    ctx.fillStyle = soft;
    ctx.textAlign = "left";
    ctx.fillText("stream", 16, AXIS / 2);
    ctx.textAlign = "center";
    const { step, values } = this.ticks();
    for (const value of values) {
      const text = this.scale === "at" ? duration(value, step) : duration(this.momentOf(value));
      const x = this.x({ [this.scale]: value });
      if (x > GUTTER - 2 && x < GUTTER + this.width - 10) ctx.fillText(text, Math.max(x, GUTTER + 14), AXIS / 2 - 3);
    }
    this.drawFaultNames(ctx);
  }

  drawFaultNames(ctx) {
    ctx.font = '600 10px system-ui, "DejaVu Sans", sans-serif';
    ctx.textAlign = "left";
    for (const fault of this.model.faults) {
      const [from, to] = [Math.max(this.x(fault.from), GUTTER), Math.min(this.x(fault.to), GUTTER + this.width)];
      if (to < from) continue;
      ctx.fillStyle = this.colours[fault.fault] ?? this.colours.stall;
      ctx.fillRect(from, AXIS - 4, Math.max(to - from, 3), 3);
      const arrow = fault.way === "up" ? " ↑" : fault.way === "down" ? " ↓" : "";
      const name = fault.fault + arrow;
      // What lasts is named where its name fits; what happens at one moment has no room of its own anywhere.
      if (fault.until > fault.at && ctx.measureText(name).width + 8 > to - from) continue;
      ctx.save();
      // With an edge around it: frames of the connection may stand behind it.
      ctx.strokeStyle = this.colours.card;
      ctx.lineWidth = 3;
      ctx.strokeText(name, from + 4, AXIS + 8);
      ctx.fillText(name, from + 4, AXIS + 8);
      ctx.restore();
    }
    ctx.font = '11.5px system-ui, "DejaVu Sans", sans-serif';
  }

  drawChosen(ctx) {
    const frame = this.chosen.frame;
    const at = frame ? this.lanes.indexOf(frame.lane) : -1;
    if (at < 0 || !this.shows(frame)) return;
    const [x, middle] = [this.x(frame.place), this.laneTop(at) + LANE / 2];
    const tall = this.tallness(frame);
    ctx.strokeStyle = this.colours.ink;
    ctx.lineWidth = 1.5;
    ctx.strokeRect(x - 4.5, frame.sender === "client" ? middle - tall - 3 : middle - 1, 9, tall + 4);
    ctx.globalAlpha = .5;
    ctx.fillStyle = this.colours.ink;
    if (frame.arrived) ctx.fillRect(x, middle - .5, this.x(frame.arrived) - x, 1);
    ctx.globalAlpha = 1;
  }

  drawPointer(ctx, top, bottom) {
    if (this.pointer === null || this.pointer < GUTTER) return;
    ctx.fillStyle = this.colours.soft;
    ctx.globalAlpha = .5;
    ctx.fillRect(this.pointer, top, 1, bottom - top);
    ctx.globalAlpha = 1;
  }

  drawScrollbar(ctx) {
    if (this.scrollMax === 0) return;
    const tall = this.height * this.height / (this.lanes.length * LANE);
    const y = AXIS + this.scroll / this.scrollMax * (this.height - tall);
    ctx.fillStyle = this.colours.soft;
    ctx.globalAlpha = .4;
    ctx.fillRect(GUTTER + this.width + 3, y, 4, tall);
    ctx.globalAlpha = 1;
  }

  // The frame at a point, or the closest one to it that a hand can mean.
  frameAt(x, y) {
    const lane = this.laneAt(y);
    if (!lane || x < GUTTER - 4) return null;
    const middle = this.laneTop(this.lanes.indexOf(lane)) + LANE / 2;
    let [best, distance] = [null, 7];
    this.eachFrame(lane, (frame) => {
      const other = (frame.sender === "client") !== (y < middle) ? 3 : 0;
      const away = Math.abs(this.x(frame.place) - x) + other;
      if (away <= distance) [best, distance] = [frame, away];
    });
    return best;
  }

  // A point on a frame, in pixels of the canvas; for tests, and to bring it into view.
  pointOf(frame) {
    const top = this.laneTop(this.lanes.indexOf(frame.lane));
    return { x: this.x(frame.place), y: top + LANE / 2 + (frame.sender === "client" ? -4 : 4) };
  }
}
