// Writes a TypeScript module for each dashboard, which holds its JSON against the types that Grafana publishes: the
// dashboard, and of each panel the options, the options of its fields, and the queries. `tsc` then says what is wrong.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';

const boards = new URL('../../dashboards/grafana/', import.meta.url);
const build = new URL('build/', import.meta.url);

// The name of a panel's type in the schema's modules.
const schemas = {
  stat: 'Stat',
  table: 'Table',
  timeseries: 'TimeSeries',
  'state-timeline': 'StateTimeline',
  bargauge: 'BarGauge',
};

// A timeline can bridge gaps since Grafana 8; the schema forgot it.
const unlisted = { 'state-timeline': ' & { spanNulls?: boolean | number }' };

// JSON has no enums: a word of an enum is a string there. Numbers need no help, and words that the enum lacks still fail.
const prelude = `import type { DataQuery, Dashboard, FieldConfig } from '@grafana/schema';

type Json<T> = T extends string
  ? \`\${T}\`
  : T extends (infer Item)[]
    ? Json<Item>[]
    : T extends object
      ? { [Key in keyof T]: Json<T[Key]> }
      : T;

// The schema has no module for queries to Prometheus: what its editor writes.
interface PrometheusQuery extends DataQuery {
  expr: string;
  legendFormat?: string;
  format?: 'time_series' | 'table' | 'heatmap';
  editorMode: 'code' | 'builder';
  instant: boolean;
  range: boolean;
}
`;

const checked = (name, value, type) => `\nexport const ${name} = ${JSON.stringify(value, null, 2)} satisfies ${type};\n`;

rmSync(build, { recursive: true, force: true });
mkdirSync(build);
for (const name of ['fleet', 'domain', 'exporter']) {
  const board = JSON.parse(readFileSync(new URL(`${name}.json`, boards)));
  let module = prelude + checked('dashboard', board, 'Json<Dashboard>');
  for (const { id, type, title, options, fieldConfig, targets } of board.panels) {
    if (type === 'row') continue;
    if (!schemas[type]) throw new Error(`${name}, ${title}: ${type} is no type of panel that this checks`);
    const folder = type.replaceAll('-', '');
    const panel = `import('@grafana/schema/dist/esm/raw/composable/${folder}/panelcfg/x/${schemas[type]}PanelCfg_types.gen')`;
    module += `\n// ${title}`;
    module += checked(`options${id}`, options, `Json<${panel}.Options>`);
    const { custom } = fieldConfig.defaults;
    if (custom) module += checked(`custom${id}`, custom, `Json<${panel}.FieldConfig>${unlisted[type] ?? ''}`);
    fieldConfig.overrides.forEach(({ properties }, index) => {
      // What an override sets, as if it were the configuration of a field.
      const field = {};
      for (const property of properties) {
        const [first, second] = property.id.split('.');
        if (second) (field[first] ??= {})[second] = property.value;
        else field[first] = property.value;
      }
      module += checked(`override${id}_${index}`, field, `Json<Omit<FieldConfig, 'custom'> & { custom?: Partial<${panel}.FieldConfig> }>`);
    });
    module += checked(`targets${id}`, targets, 'Json<PrometheusQuery>[]');
  }
  writeFileSync(new URL(`${name}.ts`, build), module);
}
writeFileSync(
  new URL('tsconfig.json', build),
  JSON.stringify({
    compilerOptions: { strict: true, noEmit: true, skipLibCheck: true, types: [], module: 'esnext', moduleResolution: 'bundler', target: 'es2022' },
    include: ['*.ts'],
  }),
);
