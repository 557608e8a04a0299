// Takes pictures of the dashboards over a Prometheus that runs: no Grafana needed, only Chromium. A panel without data
// is a failure. `pictures.sh` brings a Prometheus.
//
//   npm run pictures -- [--prometheus URL] [--domain NAME] [--minutes 5] [--into FOLDER] [--theme dark|light] [BOARD…]

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { drawPanel } from './draw.mjs';
import { board as read, data, names } from './grafana.mjs';

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    prometheus: { type: 'string', default: 'http://127.0.0.1:9090' },
    domain: { type: 'string', default: 'conflict.example' },
    minutes: { type: 'string', default: '5' },
    into: { type: 'string', default: '../../docs' },
    theme: { type: 'string', default: 'dark' },
  },
});

// Grafana's grid: 24 columns, lines of 30 pixels, 8 pixels between panels.
const pageWidth = 1600;
const [lineHeight, gap, padding, header] = [30, 8, 8, 32];
const top = 56;

const to = Date.now();
const from = to - Number(flags.minutes) * 60_000;
const step = Math.max(5, Math.round((to - from) / 1000 / 300));

const variables = { job: '.*', exporter_job: '.*', exporter: '.*', domain: flags.domain, __rate_interval: '30s' };
const fill = (text) => text.replace(/\$(\w+)/g, (whole, name) => variables[name] ?? whole);

async function ask({ expr, instant }) {
  const path = instant ? 'query' : 'query_range';
  const when = instant ? { time: to / 1000 } : { start: from / 1000, end: to / 1000, step };
  const answer = await fetch(`${flags.prometheus}/api/v1/${path}`, { method: 'POST', body: new URLSearchParams({ query: fill(expr), ...when }) });
  const { status, error, data: found } = await answer.json();
  if (status !== 'success') throw new Error(`${error}: ${expr}`);
  return found.result;
}

const style = ({ colors }) => `
  * { box-sizing: border-box; margin: 0; }
  body { background: ${colors.background.canvas}; color: ${colors.text.primary}; font: 13px/1.4 Inter, 'DejaVu Sans', sans-serif; width: ${pageWidth}px; }
  h1 { font-size: 18px; font-weight: 500; padding: 14px; position: absolute; } h1 small { color: ${colors.text.secondary}; font-size: 13px; margin-left: 12px; }
  section { position: absolute; background: ${colors.background.primary}; border: 1px solid ${colors.border.weak}; border-radius: 2px; padding: 0 ${padding}px; overflow: hidden; }
  section > h2 { font-size: 14px; font-weight: 500; line-height: ${header}px; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
  .row { position: absolute; font-size: 15px; font-weight: 500; padding: 4px 12px; }
  .nothing { text-align: center; color: ${colors.text.secondary}; font-size: 18px; }
  .stat { display: flex; gap: 4px; } .stat > div { flex: 1; display: flex; flex-direction: column; align-items: center; justify-content: center; border-radius: 2px; white-space: nowrap; }
  .stat small { font-size: 13px; } .stat b { font-weight: 500; line-height: 1.1; }
  .table { overflow: hidden; } table { table-layout: fixed; border-collapse: collapse; } td, th { padding: 0 6px; height: 36px; text-align: left; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; border-bottom: 1px solid ${colors.border.weak}; }
  th { color: ${colors.text.secondary}; font-weight: 500; } a { color: ${colors.text.link}; }
  .legend { line-height: 19px; max-height: 84px; overflow: hidden; font-size: 12px; color: ${colors.text.secondary}; } .legend span { margin-right: 12px; white-space: nowrap; } .legend i { display: inline-block; width: 14px; height: 4px; margin: 0 5px 3px 0; border-radius: 2px; }
  .bar { display: flex; align-items: center; gap: 8px; } .bar span { width: 46%; text-align: right; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; } .bar div { flex: 1; height: 70%; background: ${colors.background.secondary}; } .bar p { height: 100%; } .bar b { width: 74px; font-weight: 500; }
  svg text { font-size: 12px; }`;

async function page(board, theme) {
  const line = lineHeight + gap;
  const boxes = await Promise.all(
    board.panels.map(async (panel) => {
      const { x, y, w, h } = panel.gridPos;
      const width = (w * (pageWidth - gap)) / 24 - gap;
      const height = h * line - gap;
      const place = `left:${(x * (pageWidth - gap)) / 24 + gap}px;top:${top + y * line}px;width:${width}px;height:${height}px`;
      if (panel.type === 'row') return `<div class="row" style="${place}">⌄ ${panel.title}</div>`;
      const answers = await Promise.all(panel.targets.map(ask));
      const size = { width: width - 2 * padding, height: height - header - padding };
      const drawing = await drawPanel(panel, answers, { theme, range: { from, to }, ...size });
      if (drawing === undefined) {
        console.error(`${board.title}, ${panel.title}: no data`);
        process.exitCode = 1;
      }
      const inside = drawing ?? `<div class="nothing">${panel.fieldConfig.defaults.noValue ?? 'No data'}</div>`;
      return `<section style="${place}"><h2>${panel.title}</h2>${inside}</section>`;
    }),
  );
  const chosen = board.templating.list.some(({ name }) => name === 'domain') ? flags.domain : '';
  const height = top + line * Math.max(...board.panels.map(({ gridPos: { y, h } }) => y + h));
  return { height, html: `<!doctype html><meta charset="utf-8"><style>${style(theme)}</style><h1>${board.title}<small>${chosen}</small></h1>${boxes.join('')}` };
}

const work = mkdtempSync(join(tmpdir(), 'dashboards-'));
const theme = data.createTheme({ colors: { mode: flags.theme } });
for (const name of positionals.length ? positionals : names) {
  const { html, height } = await page(read(name), theme);
  const file = join(work, `${name}.html`);
  writeFileSync(file, html);
  const picture = join(flags.into, `dashboard-${name}${flags.theme === 'light' ? '-light' : ''}.png`);
  execFileSync(
    process.env.CHROMIUM ?? 'chromium',
    ['--headless', '--no-sandbox', '--hide-scrollbars', `--user-data-dir=${work}/profile`, `--window-size=${pageWidth},${height}`, `--screenshot=${picture}`, `file://${file}`],
    { stdio: ['ignore', 'ignore', 'pipe'], timeout: 60_000 },
  );
  console.log(picture);
}
rmSync(work, { recursive: true });
