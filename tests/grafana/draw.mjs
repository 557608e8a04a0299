// Draws one panel of each type as plain HTML and SVG: near enough to Grafana to see what is cut off, out of order or
// hard to read.

import { data, series, tables, transform, dress } from './grafana.mjs';

const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c]);
const shown = (field, value) => data.formattedValueToString(field.display(value));
const values = (frame) => frame.fields.filter(({ type }) => type === 'number');
const last = (field) => field.values.findLast((value) => value !== null && value !== undefined);
const seriesColor = (field, theme) => data.getFieldSeriesColor(field, theme).color;

/** Black or white, whichever is easier to read on a colour. */
const contrast = (color, theme) => (/rgba\(.*, 0\)|transparent/.test(color) ? theme.colors.text.primary : theme.colors.getContrastText(color));

/** How many lines a legend needs. Grafana gives it a third of the panel at most. */
function legendHeight(names, width) {
  let [lines, used] = [1, 0];
  for (const name of names) {
    const wanted = name.length * 7 + 34;
    if (used && used + wanted > width) [lines, used] = [lines + 1, 0];
    used += wanted;
  }
  return Math.min(lines, 4) * 19 + 8;
}

const legend = (entries) =>
  `<div class="legend">${entries.map(([name, color]) => `<span><i style="background:${color}"></i>${escape(name)}</span>`).join('')}</div>`;

function stat({ panel, frames, theme, height, width }) {
  const fields = frames.flatMap(values);
  const mode = panel.options.colorMode;
  const tiles = fields.map((field) => {
    const named = panel.options.textMode === 'name';
    const text = named ? field.state.displayName : shown(field, last(field));
    const { color } = field.display(last(field));
    const name = fields.length > 1 && !named ? `<small>${escape(field.state.displayName)}</small>` : '';
    const style = mode === 'none' ? '' : mode === 'value' ? `color:${color}` : `background:${color};color:${contrast(color, theme)}`;
    // Grafana makes the text as large as fits.
    const size = Math.min(height * (name ? 0.3 : 0.5), (width / fields.length - 20) / (text.length * 0.58));
    return `<div style="${style};font-size:${size}px">${name}<b>${escape(text)}</b></div>`;
  });
  return `<div class="stat" style="height:${height}px">${tiles.join('')}</div>`;
}

function sorted(frame, [by, ...rest]) {
  const order = [...Array(frame.length).keys()];
  const compare = (a, b) => {
    for (const { displayName, desc } of by ? [by, ...rest] : []) {
      const column = frame.fields.find(({ state }) => state.displayName === displayName)?.values ?? [];
      const difference = typeof column[a] === 'string' ? column[a].localeCompare(column[b]) : (column[a] ?? -Infinity) - (column[b] ?? -Infinity);
      if (difference) return desc ? -difference : difference;
    }
    return a - b;
  };
  return order.sort(compare);
}

function table({ panel, frames, theme, height, width }) {
  const [frame] = frames;
  const wide = ({ config: { custom } }) => custom?.width ?? 0;
  const narrow = ({ config: { custom } }) => custom?.minWidth ?? 50;
  const free = frame.fields.filter((field) => !wide(field));
  const rest = width - frame.fields.reduce((sum, field) => sum + wide(field), 0);
  // Grafana shares what is left evenly, and lets a table scroll sideways when columns would get too narrow.
  const share = (field) => wide(field) || Math.max(rest / free.length, narrow(field));
  const total = frame.fields.reduce((sum, field) => sum + share(field), 0);
  const align = ({ type, config: { custom } }) => (custom?.align && custom.align !== 'auto' ? custom.align : type === 'number' ? 'right' : 'left');
  const columns = frame.fields.map((field) => `<col style="width:${share(field)}px">`);
  const heads = frame.fields.map((field) => `<th style="text-align:${align(field)}">${escape(field.state.displayName)}</th>`);
  const rows = sorted(frame, panel.options.sortBy).map((row) => {
    const cells = frame.fields.map((field) => {
      const value = field.values[row];
      const { color } = field.display(value);
      const filled = field.config.custom?.cellOptions?.type === 'color-background';
      const style = `text-align:${align(field)}` + (filled ? `;background:${color};color:${contrast(color, theme)}` : '');
      const text = escape(shown(field, value));
      return `<td style="${style}">${field.config.links?.length ? `<a>${text}</a>` : text}</td>`;
    });
    return `<tr>${cells.join('')}</tr>`;
  });
  return `<div class="table" style="height:${height}px"><table style="width:${total}px"><colgroup>${columns.join('')}</colgroup>
    <tr>${heads.join('')}</tr>${rows.join('')}</table></div>`;
}

function bargauge({ frames, height }) {
  const fields = frames.flatMap(values);
  const top = Math.max(...fields.map(last), 1);
  const bars = fields.map((field) => {
    const { color } = field.display(last(field));
    return `<div class="bar" style="height:${height / fields.length}px"><span>${escape(field.state.displayName)}</span>
      <div><p style="width:${(last(field) / top) * 100}%;background:${color}"></p></div><b>${escape(shown(field, last(field)))}</b></div>`;
  });
  return `<div style="height:${height}px">${bars.join('')}</div>`;
}

const clock = (time) => new Date(time).toISOString().slice(11, 16);

function timeAxis({ from, to }, left, right, y, theme) {
  return [0, 1, 2, 3, 4]
    .map((step) => {
      const time = from + ((to - from) * (step + 0.5)) / 5;
      const x = left + ((right - left) * (step + 0.5)) / 5;
      return `<text x="${x}" y="${y}" text-anchor="middle" fill="${theme.colors.text.secondary}">${clock(time)}</text>`;
    })
    .join('');
}

function timeseries({ panel, frames, theme, height, width, range }) {
  const fields = frames.flatMap((frame) => values(frame).map((field) => ({ field, times: frame.fields[0].values, color: seriesColor(field, theme) })));
  const { stacking, fillOpacity, lineWidth, axisSoftMin } = panel.fieldConfig.defaults.custom;
  const stacked = stacking.mode === 'normal';
  const below = new Map();
  const lines = fields.map(({ field, times, color }) => {
    const points = times.map((time, index) => {
      const low = stacked ? (below.get(time) ?? 0) : 0;
      below.set(time, low + field.values[index]);
      return { time, low, high: low + field.values[index] };
    });
    return { color, points: points.filter(({ high }) => Number.isFinite(high)) };
  });
  const heights = lines.flatMap(({ points }) => points.map(({ high }) => high));
  const floor = panel.fieldConfig.defaults.min ?? Math.min(...heights, axisSoftMin ?? Infinity);
  const ceiling = panel.fieldConfig.defaults.max ?? Math.max(...heights);
  const top = ceiling > floor ? ceiling : floor + 1;
  const ticks = [0, 1, 2, 3, 4].map((step) => floor + ((top - floor) * step) / 4).map((value) => [value, shown(fields[0].field, value)]);
  const entries = fields.map(({ field, color }) => [field.state.displayName, color]);
  const chart = height - legendHeight(entries.map(([name]) => name), width);
  const left = Math.max(...ticks.map(([, text]) => text.length)) * 7 + 14;
  const [right, upper, lower] = [width - 8, 8, chart - 20];
  const x = (time) => left + ((time - range.from) / (range.to - range.from)) * (right - left);
  const y = (value) => lower - ((value - floor) / (top - floor)) * (lower - upper);
  const grid = ticks.map(
    ([value, text]) => `<path d="M${left} ${y(value)}H${right}" stroke="${theme.colors.border.weak}"/>
      <text x="${left - 6}" y="${y(value) + 4}" text-anchor="end" fill="${theme.colors.text.secondary}">${escape(text)}</text>`,
  );
  const drawn = lines.map(({ points, color }) => {
    const over = points.map(({ time, high }) => `${x(time)},${y(high)}`);
    const under = points.map(({ time, low }) => `${x(time)},${y(Math.max(low, floor))}`).reverse();
    return `<polygon points="${[...over, ...under].join(' ')}" fill="${color}" fill-opacity="${fillOpacity / 100}"/>
      <polyline points="${over.join(' ')}" fill="none" stroke="${color}" stroke-width="${lineWidth}"/>`;
  });
  return `<svg width="${width}" height="${chart}">${grid.join('')}${timeAxis(range, left, right, chart - 4, theme)}${drawn.join('')}</svg>
    ${legend(entries)}`;
}

function stateTimeline({ frames, theme, height, width, range }) {
  const chart = height - 28;
  const left = Math.min(260, Math.max(...frames.map((frame) => values(frame)[0].state.displayName.length)) * 7 + 12);
  const right = width - 8;
  const line = (chart - 20) / frames.length;
  const x = (time) => left + ((time - range.from) / (range.to - range.from)) * (right - left);
  const words = new Map();
  const rows = frames.map((frame, index) => {
    const [field] = values(frame);
    const times = frame.fields[0].values;
    const changes = times.map((_, at) => at).filter((at) => at === 0 || field.values[at] !== field.values[at - 1]);
    const blocks = changes.map((at, number) => {
      const end = times[changes[number + 1]] ?? times.at(-1);
      const { color } = field.display(field.values[at]);
      const text = shown(field, field.values[at]);
      words.set(text, color);
      const label = x(end) - x(times[at]) > text.length * 8 ? text : '';
      return `<rect x="${x(times[at])}" y="${index * line + 2}" width="${Math.max(x(end) - x(times[at]), 1)}" height="${line * 0.85}" fill="${color}" fill-opacity="0.8"/>
        <text x="${x(times[at]) + 6}" y="${index * line + line / 2 + 4}" fill="${contrast(color, theme)}">${escape(label)}</text>`;
    });
    const name = escape(field.state.displayName);
    return `<text x="${left - 8}" y="${index * line + line / 2 + 4}" text-anchor="end" fill="${theme.colors.text.primary}">${name}</text>${blocks.join('')}`;
  });
  return `<svg width="${width}" height="${chart}">${rows.join('')}${timeAxis(range, left, right, chart - 4, theme)}</svg>${legend([...words])}`;
}

const draw = { stat, table, bargauge, timeseries, 'state-timeline': stateTimeline };

/** The inside of a panel, or nothing when no query has data. `answers` holds for each query the series that Prometheus gave. */
export async function drawPanel(panel, answers, { theme, range, width, height }) {
  const raw = panel.type === 'table' ? tables(panel.targets, answers) : series(panel.targets, answers);
  const frames = dress(await transform(raw, panel.transformations), panel.fieldConfig, theme);
  if (!frames.some((frame) => frame.length)) return undefined;
  return draw[panel.type]({ panel, frames, theme, range, width, height });
}
