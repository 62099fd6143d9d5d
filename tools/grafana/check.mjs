// check.mjs DASHBOARD.json...: whether Grafana's own types accept the dashboards.
//
// Grafana publishes its schema as TypeScript. Each dashboard becomes a literal of those types, in
// memory, and the compiler says what does not fit: a field that is unknown, a value that is none of
// an enumeration's, a wrong type. Options, field settings and queries, which the dashboard's type
// leaves open, are held against the types of their panel and data source.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const here = dirname(fileURLToPath(import.meta.url));
const schema = "./node_modules/@grafana/schema/dist/types/raw";

const prelude = `
import type { Dashboard } from "${schema}/dashboard/x/dashboard_types.gen";
import type * as timeseries from "${schema}/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";
import type * as stat from "${schema}/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as table from "${schema}/composable/table/panelcfg/x/TablePanelCfg_types.gen";

// What the Prometheus data source adds, which is in no package.
type PrometheusQuery = {
  refId: string; datasource: { type: "prometheus"; uid: "prometheus" }; expr: string;
  legendFormat: string; instant?: boolean; format?: "table" | "time_series" | "heatmap";
};
type PrometheusAnnotation = {
  expr: string; step: string; titleFormat: string; useValueForTime: boolean;
};

// As it stands in JSON: enumerations by value, everything optional that Grafana fills in.
type Json<T> = T extends string ? \`\${T}\`
  : T extends ReadonlyArray<infer U> ? Json<U>[]
  : T extends object ? { [K in keyof T]?: Json<T[K]> }
  : T;
`;

const kinds = {
  timeseries: { options: "timeseries.Options", custom: "timeseries.FieldConfig" },
  stat: { options: "stat.Options", custom: "Record<string, never>" },
  table: { options: "table.Options", custom: "Record<string, never>" },
};

// Parts an annotation into what Grafana itself and what its data source knows.
function annotationLiterals(annotations) {
  const lines = [];
  const own = annotations.map(({ expr, step, titleFormat, useValueForTime, ...rest }, i) => {
    if (rest.datasource.uid === "-- Grafana --") return rest; // its own marks, by tags
    const added = JSON.stringify({ expr, step, titleFormat, useValueForTime });
    lines.push(`const annotation_${i}: PrometheusAnnotation = ${added};`);
    return rest;
  });
  return { own, lines };
}

function literals(file, dashboard) {
  const { own, lines } = annotationLiterals(dashboard.annotations.list);
  const whole = { ...dashboard, annotations: { list: own } };
  lines.push(`const whole: Json<Dashboard> = ${JSON.stringify(whole)};`);
  for (const panel of dashboard.panels) {
    const kind = kinds[panel.type];
    if (!kind) throw new Error(`${file}: no types here for panels of type ${panel.type}`);
    const name = `panel_${panel.id}`;
    const custom = panel.fieldConfig.defaults.custom ?? {};
    lines.push(`const ${name}_options: Json<${kind.options}> = ${JSON.stringify(panel.options)};`);
    lines.push(`const ${name}_custom: Json<${kind.custom}> = ${JSON.stringify(custom)};`);
    for (const [i, query] of panel.targets.entries()) {
      lines.push(`const ${name}_query_${i}: PrometheusQuery = ${JSON.stringify(query)};`);
    }
  }
  return prelude + lines.join("\n") + "\nexport {};\n";
}

const options = {
  noEmit: true,
  strict: true,
  skipLibCheck: true,
  types: [],
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  target: ts.ScriptTarget.ES2022,
};
const sources = new Map(
  process.argv.slice(2).map((file) => {
    const dashboard = JSON.parse(readFileSync(file, "utf8"));
    return [join(here, `${dashboard.uid}.ts`), literals(file, dashboard)];
  }),
);
const host = ts.createCompilerHost(options);
const { fileExists, readFile, getSourceFile } = host;
host.fileExists = (name) => sources.has(name) || fileExists(name);
host.readFile = (name) => sources.get(name) ?? readFile(name);
host.getSourceFile = (name, ...rest) =>
  sources.has(name)
    ? ts.createSourceFile(name, sources.get(name), ...rest)
    : getSourceFile(name, ...rest);

const program = ts.createProgram([...sources.keys()], options, host);
const complaints = ts.getPreEmitDiagnostics(program);
if (complaints.length > 0) {
  console.error(ts.formatDiagnostics(complaints, {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => here,
    getNewLine: () => "\n",
  }));
  process.exit(1);
}
console.log(`${sources.size} dashboards fit Grafana's types`);
