// The same rules and dashboards for users of jsonnet mixins. Set the addresses in _config.
{
  _config+:: {
    runbookUrl: 'https://github.com/mailtls/mailtls-exporter/blob/main/docs/findings.md',
    dashboardUrl: 'https://grafana.example.com',
  },

  local addressed(text) = std.strReplace(
    std.strReplace(text, 'https://github.com/mailtls/mailtls-exporter/blob/main/docs/findings.md', $._config.runbookUrl),
    'https://grafana.example.com',
    $._config.dashboardUrl
  ),

  prometheusRules+:: std.parseYaml(importstr 'prometheus/rules.yaml'),
  prometheusAlerts+:: std.parseYaml(addressed(importstr 'prometheus/alerts.yaml')),
  // Not part of prometheusAlerts: take it on purpose.
  optionalAlerts:: std.parseYaml(addressed(importstr 'prometheus/alerts-optional.yaml')),

  grafanaDashboards+:: {
    'mailtls-fleet.json': import 'grafana/fleet.json',
    'mailtls-domain.json': import 'grafana/domain.json',
    'mailtls-exporter.json': import 'grafana/exporter.json',
  },
}
