/** Panels of the Grafana dashboards, and what their queries have in common. */

export type Query = [expr: string, legend: string]

export interface Panel {
  title: string
  /** What a person should know to read it. */
  says: string
  unit: string
  queries: Query[]
  /** Of a table and of bars: each query is a column, whose name is the legend. */
  type?: 'timeseries' | 'stat' | 'table' | 'barchart'
  /** Width in columns, of 24. */
  width?: number
  stacked?: boolean
  /** Texts for values, as Grafana has them. */
  mappings?: object[]
  /** Grafana's own settings of columns, by their names. */
  columns?: Record<string, Record<string, unknown>>
  /** The column by which the rows are sorted. */
  sortBy?: string
  /** Grafana's own options, beside the usual ones. */
  options?: object
}

export interface Row {
  title: string
  panels: Panel[]
}

/** Labels of every metric that the service defines. */
export const OWN = 'namespace=~"$namespace", service=~"$service"'
/** Of metrics of streams. */
export const ONE = `${OWN}, stream=~"$stream"`
export const EVENTS = `${OWN}, path=~"v[12]/events"`
/** For metrics of the process, which have no label `service`. */
export const ONLY_OURS = `and on (job, instance) eventgate_build_info{${OWN}}`

export const rate = (selector: string, by: string) => `sum by (${by}) (rate(${selector}[$__rate_interval]))`
export const quantiles = (histogram: string, matchers: string, by: string, legend: string): Query[] =>
  [0.5, 0.9, 0.99].map(
    (q): Query => [
      `histogram_quantile(${q}, ${rate(`${histogram}_bucket{${matchers}}`, `${by}, le`)})`,
      `p${q * 100} ${legend}`,
    ],
  )
export const worst = (expr: string, by: string) => `max by (${by}) (${expr})`

export function stat(title: string, says: string, unit: string, expr: string, width = 4): Panel {
  // An aggregation without labels covers everything.
  return { title, says, unit, type: 'stat', width, queries: [[expr.replaceAll(' by ()', ''), '']] }
}

// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's own variable
export const DATASOURCE = { type: 'prometheus', uid: '${datasource}' }

/** Of each kind of panel, all that Grafana's own types require. */
const OPTIONS = {
  timeseries: {
    legend: { showLegend: true, displayMode: 'table', placement: 'bottom', calcs: ['lastNotNull', 'max'] },
    tooltip: { mode: 'multi', sort: 'desc' },
  },
  stat: {
    ...{ reduceOptions: { calcs: ['lastNotNull'] }, colorMode: 'none', graphMode: 'none' },
    ...{ justifyMode: 'auto', textMode: 'auto', orientation: 'auto', wideLayout: true },
    ...{ showPercentChange: false, percentChangeColorMode: 'standard' },
  },
  table: { frameIndex: 0, showHeader: true },
  barchart: {
    ...{ orientation: 'vertical', stacking: 'normal', showValue: 'auto', fullHighlight: false },
    ...{ barWidth: 0.97, groupWidth: 0.7, xTickLabelRotation: 0, xTickLabelMaxLength: 0 },
    legend: { showLegend: false, displayMode: 'list', placement: 'bottom', calcs: [] },
    tooltip: { mode: 'single', sort: 'none' },
  },
}

/** Height in rows, of 30 pixels. */
export function heightOf({ type }: Panel): number {
  if (type === 'table') return 12
  return type === 'stat' ? 4 : 8
}

/** The panel as Grafana has it, except its place. */
export function panelOf(panel: Panel): object {
  const { title, says, unit, queries, type = 'timeseries', stacked = false, columns = {} } = panel
  const inColumns = type === 'table' || type === 'barchart'
  const targets = queries.map(([expr, legendFormat], i) => ({
    ...{ refId: refOf(i), datasource: DATASOURCE, expr, legendFormat },
    ...(type === 'timeseries' ? {} : { instant: true }),
    ...(inColumns ? { format: 'table' } : {}),
  }))
  const lines = stacked ? { fillOpacity: 20, stacking: { mode: 'normal' } } : { fillOpacity: 0 }
  const overrides = Object.entries(columns).map(([name, properties]) => ({
    matcher: { id: 'byName', options: name },
    properties: Object.entries(properties).map(([id, value]) => ({ id, value })),
  }))
  return {
    ...{ type, title, description: says, datasource: DATASOURCE, targets },
    fieldConfig: {
      defaults: {
        ...{ unit, ...(type === 'timeseries' ? { min: 0, custom: lines } : {}) },
        ...(panel.mappings ? { mappings: panel.mappings } : {}),
      },
      overrides,
    },
    options: { ...OPTIONS[type], ...panel.options },
    ...(inColumns ? { transformations: joined(queries, panel.sortBy) } : {}),
  }
}

/** Joins the results of queries: one row for each set of labels, one column for each query. */
function joined(queries: readonly Query[], sortBy: string | undefined): object[] {
  const renameByName = Object.fromEntries(queries.map(([, name], i) => [`Value #${refOf(i)}`, name]))
  return [
    { id: 'merge', options: {} },
    { id: 'organize', options: { excludeByName: { Time: true }, indexByName: {}, renameByName } },
    ...(sortBy ? [{ id: 'sortBy', options: { fields: {}, sort: [{ field: sortBy }] } }] : []),
  ]
}

const refOf = (index: number) => String.fromCharCode(65 + index)
