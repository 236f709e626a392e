// The curves below the lanes: what each end may send, on the connection and on each stream.

const CHART = 90;

Picture.prototype.drawWindows = function () {
  const ctx = this.begin(this.canvases.windows);
  for (const [at, side] of ["client", "server"].entries()) {
    this.drawChart(ctx, side, 8 + at * (CHART + 6));
  }
};

Picture.prototype.drawChart = function (ctx, side, top) {
  const { ink, soft, line } = this.colours;
  const bottom = top + CHART - 8;
  const curves = this.model.curves[side];
  const shown = [...curves].filter(([stream]) => stream === 0 || this.lanes.includes(this.model.byStream.get(stream)));
  if (curves.size === 0) {
    ctx.textAlign = "left";
    ctx.fillStyle = soft;
    ctx.fillText(`${side}: not seen`, 16, top + 14);
    return;
  }
  const most = this.mostOf(side);
  // By orders of magnitude: a window of nothing and one of a few bytes have to be told apart, beside large ones.
  const y = (window) => bottom - Math.log2(1 + Math.max(window, 0)) / Math.log2(1 + most) * (CHART - 22);
  ctx.textAlign = "left";
  ctx.fillStyle = ink;
  ctx.font = '600 12px system-ui, "DejaVu Sans", sans-serif';
  ctx.fillText(side, 16, top + 14);
  ctx.font = '11.5px system-ui, "DejaVu Sans", sans-serif';
  ctx.fillStyle = soft;
  ctx.fillText("may send", 16, top + 30);
  ctx.textAlign = "right";
  for (const window of [0, ...[32, 1_024, 32_768].filter((some) => some * 8 <= most), most]) {
    const at = y(window);
    ctx.fillStyle = soft;
    ctx.fillText(bytesText(window), GUTTER - 12, at);
    ctx.fillStyle = line;
    ctx.fillRect(GUTTER, Math.round(at), this.width, 1);
  }
  ctx.save();
  ctx.beginPath();
  ctx.rect(GUTTER, top - 6, this.width + 8, CHART + 4);
  ctx.clip();
  this.drawFaults(ctx, top - 6, bottom);
  const chosen = (this.chosen.lane ?? this.chosen.frame?.lane)?.stream ?? 0;
  const last = (a, b) => (a[0] === chosen) - (b[0] === chosen) || (a[0] === 0) - (b[0] === 0);
  for (const [stream, curve] of shown.sort(last)) this.drawCurve(ctx, stream, curve, y, chosen);
  this.drawPointer(ctx, top - 6, bottom);
  ctx.restore();
};

Picture.prototype.drawCurve = function (ctx, stream, curve, y, chosen) {
  const first = Math.max(0, lastBefore(curve, this.from, this.scale));
  ctx.beginPath();
  let level = null;
  // The column of pixels that is being drawn, and how far the curve reaches in it: more points show no more.
  let column = { x: 0, low: 0, high: 0 };
  const finish = () => {
    if (column.low !== column.high) {
      ctx.lineTo(column.x, column.low);
      ctx.lineTo(column.x, column.high);
    }
    ctx.lineTo(column.x, level);
  };
  for (let at = first; at < curve.length && curve[at].place[this.scale] <= this.to; at += 1) {
    const [x, next] = [this.x(curve[at].place), y(curve[at].window)];
    if (level === null) {
      ctx.moveTo(x, next);
      column = { x, low: next, high: next };
    } else if (x - column.x >= .5) {
      finish();
      ctx.lineTo(x, level);
      column = { x, low: Math.min(level, next), high: Math.max(level, next) };
    } else {
      column = { x: column.x, low: Math.min(column.low, next), high: Math.max(column.high, next) };
    }
    level = next;
  }
  if (level === null) return;
  finish();
  const lane = this.model.byStream.get(stream);
  // A stream's window means nothing once the stream is over.
  const end = stream === 0 || !lane?.last ? GUTTER + this.width : this.x(lane.last);
  ctx.lineTo(Math.max(end, this.x(curve[first].place)), level);
  ctx.lineWidth = stream === chosen ? 2.2 : stream === 0 ? 1.8 : 1;
  ctx.strokeStyle = stream === 0 ? this.colours.ink : streamColour(stream);
  ctx.globalAlpha = stream === 0 ? .85 : chosen !== 0 && stream !== chosen ? .22 : .75;
  ctx.stroke();
  ctx.globalAlpha = 1;
};

Picture.prototype.mostOf = function (side) {
  this.most ??= {};
  this.most[side] ??= [...this.model.curves[side].values()].flat().reduce((most, { window }) => Math.max(most, window), 1);
  return this.most[side];
};

// The window of a stream at a value of the scale.
Picture.prototype.windowAt = function (side, stream, value) {
  const curve = this.model.curves[side].get(stream) ?? [];
  const at = lastBefore(curve, value, this.scale);
  return at < 0 ? null : curve[at].window;
};

function lastBefore(curve, value, scale) {
  let [low, high] = [0, curve.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (curve[middle].place[scale] <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function streamColour(stream) {
  // The golden angle keeps neighbours apart.
  return `hsl(${(stream * 68.75) % 360} 60% ${document.documentElement.dataset.theme === "dark" ? 65 : 45}%)`;
}

function bytesText(bytes) {
  if (bytes >= 1 << 20) return (bytes / (1 << 20)).toFixed(bytes % (1 << 20) ? 1 : 0) + " MiB";
  if (bytes >= 1024) return (bytes / 1024).toFixed(0) + " KiB";
  return bytes.toFixed(0) + " B";
}
