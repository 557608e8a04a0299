// What Grafana itself makes of an answer of Prometheus: its transformations, units, mappings and colours, of
// `@grafana/data`, without a browser.

import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

// It asks at once in which language to write dates; Node has a navigator from 21 on.
globalThis.navigator ??= { language: 'en-GB', languages: ['en-GB'] };
// Its module for `import` asks for a name that moment-timezone does not export.
export const data = createRequire(import.meta.url)('@grafana/data');
// Transformations look there whether a dashboard is around; what is loaded with them would take it for a browser.
globalThis.window ??= {};

// Two names there are one transformation.
const transformers = new Map(Object.values(data.standardTransformers).map((one) => [one.id, one]));
data.standardTransformersRegistry.setInit(() =>
  [...transformers.values()].map((one) => ({ id: one.id, name: one.name, transformation: async () => one })),
);

export const names = ['fleet', 'domain', 'exporter'];

export const board = (name) =>
  JSON.parse(readFileSync(new URL(`../../dashboards/grafana/${name}.json`, import.meta.url)));

/** The panels that show data. */
export const panels = (board) => board.panels.filter((panel) => panel.type !== 'row');

/** A frame for each query, as Grafana's data source makes a table: the time, a column for each label, the value. */
export function tables(targets, answers) {
  return targets.map(({ refId }, index) => {
    const series = answers[index];
    const labels = [...new Set(series.flatMap(({ metric }) => Object.keys(metric)))].sort();
    const value = targets.length > 1 ? `Value #${refId}` : 'Value';
    return data.toDataFrame({
      refId,
      fields: [
        { name: 'Time', type: 'time', values: series.map((one) => one.value[0] * 1000) },
        ...labels.map((label) => ({ name: label, type: 'string', values: series.map(({ metric }) => metric[label]) })),
        { name: value, type: 'number', values: series.map((one) => Number(one.value[1])) },
      ],
    });
  });
}

/** A frame for each series, named by the legend of its query. */
export function series(targets, answers) {
  return targets.flatMap(({ refId, legendFormat }, index) =>
    answers[index].map(({ metric, values, value }) => {
      const legend = legendFormat?.replace(/{{\s*(\w+)\s*}}/g, (_, label) => metric[label] ?? '');
      const points = values ?? [value];
      return data.toDataFrame({
        refId,
        fields: [
          { name: 'Time', type: 'time', values: points.map(([time]) => time * 1000) },
          { name: 'Value', type: 'number', labels: metric, config: { displayNameFromDS: legend }, values: points.map(([, value]) => Number(value)) },
        ],
      });
    }),
  );
}

export const transform = (frames, transformations = []) =>
  new Promise((resolve, reject) => data.transformDataFrame(transformations, frames).subscribe({ next: resolve, error: reject }));

/** Gives every field its configuration and the function that writes its values: `field.display(value)`. */
export function dress(frames, { defaults, overrides }, theme) {
  let seriesIndex = 0;
  for (const frame of frames) {
    for (const field of frame.fields) {
      const name = data.getFieldDisplayName(field, frame, frames);
      const config = { ...structuredClone(defaults), displayName: name };
      for (const { matcher, properties } of overrides) {
        const meant = matcher.id === 'byRegexp' ? new RegExp(matcher.options.slice(1, -1)).test(name) : matcher.options === name;
        if (!meant) continue;
        for (const { id, value } of properties) {
          const [first, second] = id.split('.');
          if (second) (config[first] ??= {})[second] = value;
          else config[first] = value;
        }
      }
      field.config = config;
      field.state = { displayName: name, seriesIndex: field.type === 'number' ? seriesIndex++ : undefined };
      field.display = data.getDisplayProcessor({ field, theme });
    }
  }
  return frames;
}
