// Units, mappings and transformations of the dashboards, held against Grafana's own code.

import assert from 'node:assert/strict';
import test from 'node:test';

import { board, data, names, panels } from './grafana.mjs';

const properties = (panel, wanted) => [
  ...(wanted in panel.fieldConfig.defaults ? [panel.fieldConfig.defaults[wanted]] : []),
  ...panel.fieldConfig.overrides.flatMap((one) => one.properties.filter(({ id }) => id === wanted).map(({ value }) => value)),
];

const each = (complain) =>
  names.flatMap((name) => panels(board(name)).flatMap((panel) => complain(panel).map((text) => `${name}, ${panel.title}: ${text}`)));

test('Grafana knows every unit', () => {
  const known = new Set(data.getValueFormats().flatMap(({ submenu }) => submenu.map(({ value }) => value)));
  assert.ok(known.size > 200);
  assert.deepEqual(each((panel) => properties(panel, 'unit').filter((unit) => !known.has(unit))), []);
});

test('Grafana knows every transformation', () => {
  const known = new Set(data.standardTransformersRegistry.list().map(({ id }) => id));
  assert.deepEqual(each(({ transformations = [] }) => transformations.map(({ id }) => id).filter((id) => !known.has(id))), []);
});

test('a mapped value becomes a word in a colour', () => {
  const theme = data.createTheme();
  const wrong = each((panel) =>
    properties(panel, 'mappings')
      .flat()
      .flatMap(({ type, options }) => {
        const field = { name: 'Value', type: 'string', config: { mappings: [{ type, options }] }, values: [] };
        const display = data.getDisplayProcessor({ field, theme });
        const wanted = type === 'special' ? [[null, options.result]] : Object.entries(options);
        return wanted.flatMap(([value, { text, color }]) => {
          const shown = display(value);
          if (!text || shown.text !== text) return [`${value} is shown as ${shown.text}`];
          return color && shown.color !== theme.visualization.getColorByName(color) ? [`${value} is ${shown.color}`] : [];
        });
      }),
  );
  assert.deepEqual(wrong, []);
});

test('an override names a column that the table has', () => {
  const wrong = each((panel) => {
    const organize = panel.transformations?.find(({ id }) => id === 'organize')?.options;
    if (!organize) return [];
    const columns = new Set(Object.values(organize.renameByName));
    const named = [...panel.fieldConfig.overrides.map(({ matcher }) => matcher.options), ...panel.options.sortBy.map((sort) => sort.displayName)];
    return named.filter((name) => !columns.has(name)).map((name) => `no column ${name}`);
  });
  assert.deepEqual(wrong, []);
});
