"use strict";
// Reads a trace (docs/trace-format.md) into lanes, curves and bands.

const TYPES = ["HEADERS", "DATA", "CONTINUATION", "RST_STREAM", "SETTINGS", "WINDOW_UPDATE", "PING", "GOAWAY",
  "PRIORITY_UPDATE", "OTHER"];
// What a stream can wait for, and how that is told. The last two are the course of things and no trouble.
const CAUSES = {
  Slot: "no stream free", StreamWindow: "stream window", ConnectionWindow: "connection window", Transport: "transport",
  Reader: "own reader", OtherReaders: "readers of other streams", Writer: "own writer", Peer: "the peer",
};

function emptyLane(stream, request) {
  return { stream, request, frames: [], waits: { client: [], server: [] }, story: [], first: null, last: null, outcome: null };
}

class Model {
  constructor(text) {
    const lines = text.split("\n").filter((line) => line.trim() !== "").map((line) => JSON.parse(line));
    this.header = lines.shift() ?? {};
    if (this.header.format !== "raddle-trace" || this.header.version !== 1) {
      throw new Error("this is no raddle-trace of version 1");
    }
    this.frames = [];
    this.faults = [];
    this.curves = { client: new Map(), server: new Map() };
    this.moments = []; // The moment of each place in the order of events.
    this.byStream = new Map([[0, emptyLane(0, null)]]);
    this.byRequest = new Map();
    this.sent = new Map();
    for (const event of lines) {
      if (event.kind === "stream") this.bind(event);
    }
    for (const event of lines) this.take(event);
    this.end = { at: this.moments.at(-1) ?? 0, order: Math.max(this.moments.length - 1, 1) };
    this.close();
  }

  // A request and its stream share a lane, also for what happens before the request has its stream.
  bind({ stream, request }) {
    const lane = emptyLane(stream, request);
    this.byStream.set(stream, lane);
    this.byRequest.set(request, lane);
  }

  laneOf({ stream, request }) {
    if (request !== undefined) {
      if (!this.byRequest.has(request)) this.byRequest.set(request, emptyLane(null, request));
      return this.byRequest.get(request);
    }
    if (!this.byStream.has(stream ?? 0)) this.byStream.set(stream, emptyLane(stream, null));
    return this.byStream.get(stream ?? 0);
  }

  take(event) {
    // What people see as a step of its own gets a place in the order; what follows from it stands at the same place.
    if (["frame", "app", "fault"].includes(event.kind) || this.moments.length === 0) this.moments.push(event.at);
    const place = { at: event.at, order: this.moments.length - 1 };
    const read = this["take_" + event.kind];
    if (read) read.call(this, event, place);
  }

  take_frame(event, place) {
    const sender = event.passage === "sent" ? event.side : event.side === "client" ? "server" : "client";
    const key = sender + event.number;
    const known = this.sent.get(key);
    if (event.passage === "received" && known) {
      known.arrived = place;
      return;
    }
    const lane = this.laneOf({ stream: event.stream });
    const frame = { ...event, sender, place, arrived: event.passage === "received" ? place : null, lane,
      colour: TYPES.includes(event.type) ? event.type : "OTHER", index: this.frames.length };
    if (event.passage === "sent") this.sent.set(key, frame);
    this.frames.push(frame);
    lane.frames.push(frame);
    this.touch(lane, place);
  }

  take_window({ side, stream, window }, place) {
    const curves = this.curves[side];
    if (!curves.has(stream)) curves.set(stream, []);
    curves.get(stream).push({ place, window });
  }

  take_wait({ side, request, cause }, place) {
    const lane = this.laneOf({ request });
    const waits = lane.waits[side];
    if (waits.length > 0) waits.at(-1).to = place;
    if (cause !== "Nothing") waits.push({ cause, from: place, to: null });
    this.touch(lane, place);
  }

  take_fault(event, place) {
    this.faults.push({ ...event, from: place, to: null });
    this.laneOf({ stream: 0 }).story.push({ place, side: "", text: event.fault + ": " + event.text });
  }

  take_app(event, place) {
    const lane = event.request === undefined ? this.laneOf({ stream: 0 }) : this.laneOf(event);
    lane.story.push({ place, side: event.side ?? "", text: event.text });
    // Of a request's two ends the client's tells how it ended for who asked.
    if (event.outcome && (event.side === "client" || lane.outcome === null)) lane.outcome = event.outcome;
    this.touch(lane, place);
  }

  touch(lane, place) {
    lane.first ??= place;
    lane.last = place;
  }

  close() {
    for (const fault of this.faults) fault.to = this.placeAt(fault.until);
    const lanes = new Set([...this.byStream.values(), ...this.byRequest.values()]);
    this.lanes = [...lanes].filter((lane) => lane.first !== null || lane.stream === 0);
    const rank = (lane) => (lane.stream === 0 ? -1 : lane.first.order);
    this.lanes.sort((a, b) => rank(a) - rank(b));
    for (const lane of this.lanes) {
      lane.outcome = lane.stream === 0 ? null : lane.outcome;
      for (const side of ["client", "server"]) {
        for (const wait of lane.waits[side]) wait.to ??= this.end;
      }
    }
  }

  // The place of a moment at which perhaps nothing happened.
  placeAt(at) {
    let [low, high] = [0, this.moments.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.moments[middle] < at) low = middle + 1;
      else high = middle;
    }
    return { at, order: low };
  }

  // Whether the time between the events is so little that by time they would stand on top of each other.
  isCrowded() {
    return new Set(this.moments).size * 6 < this.moments.length;
  }
}

// A test of lanes from what people type: "1 5-9 #3 conn failed".
function laneFilter(text) {
  const tests = text.trim().split(/[\s,]+/).filter(Boolean).map((word) => {
    const range = /^(#?)(\d+)(?:-#?(\d+))?$/.exec(word);
    if (range) {
      const [low, high] = [Number(range[2]), Number(range[3] ?? range[2])];
      const key = range[1] ? "request" : "stream";
      return (lane) => lane[key] !== null && lane[key] >= low && lane[key] <= high;
    }
    if ("connection".startsWith(word)) return (lane) => lane.stream === 0;
    return (lane) => lane.outcome !== null && lane.outcome.startsWith(word);
  });
  return (lane) => tests.length === 0 || tests.some((test) => test(lane));
}

function laneName(lane) {
  if (lane.stream === 0) return "connection";
  return lane.stream === null ? "no stream" : "stream " + lane.stream;
}

// Nanoseconds as people write them; `step` says how fine.
function duration(nanos, step = 0) {
  const units = [["s", 1e9], ["ms", 1e6], ["µs", 1e3], ["ns", 1]];
  const scale = step || Math.abs(nanos);
  const [name, unit] = units.find(([, unit]) => scale >= unit) ?? units[3];
  const digits = step ? Math.max(0, Math.ceil(-Math.log10(step / unit) - 1e-9)) : unit === 1 ? 0 : 3;
  return (nanos / unit).toFixed(Math.min(digits, 6)) + " " + name;
}
