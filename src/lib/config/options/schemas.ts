import {
  count,
  flag,
  milliseconds,
  type OptionSchema,
  type Report,
  readLocation,
  text,
  texts,
} from './values.js'

/** Options of schemas and their repositories. */
export const SCHEMA_OPTIONS = {
  schema_uri_field: { description: 'Field that names the schema of an event.', ...text, default: '$schema' },
  schema_base_uris: {
    description:
      'Schema repositories, tried in order: paths, `file:` or `http(s):` URIs. The schemas that ship with the service come last.',
    ...texts,
    read(locations: readonly string[], report: Report): readonly string[] {
      return locations.map(location => readLocation(location, report))
    },
    default: [],
  },
  schema_precache_uris: {
    description: 'Schemas to load at the start. A schema that cannot be loaded then only warns.',
    ...texts,
    default: [],
  },
  schema_file_extension: {
    description: 'Extension to try when a schema is not found under the URI as written.',
    type: 'string',
    pattern: '^\\.?[A-Za-z0-9]+$',
    read: (extension: string) => `.${extension.replace(/^\./, '')}`,
    default: '.yaml',
  },
  schema_timeout_ms: {
    description: 'Timeout for fetching one schema with everything it refers to (ms).',
    ...milliseconds,
    default: 3000,
  },
  schema_failure_ttl_ms: {
    description: 'Time before a schema that could not be loaded is tried again (ms).',
    ...milliseconds,
    default: 5000,
  },
  max_schemas: {
    description: 'Maximum number of compiled schemas in memory (at least 100).',
    ...count,
    minimum: 100,
    default: 2000,
  },
  reload_schemas: {
    description:
      'Whether to reload schemas when their files change, and to retry failed ones at once. For development: it checks the files for every event, and elsewhere versions of a schema do not change.',
    ...flag,
    default: false,
  },
  allow_insecure_schemas: {
    description:
      'Whether to accept schemas with a `pattern` or `format` on a string without `maxLength`. They can make validation slow.',
    ...flag,
    default: false,
  },
  allow_absolute_schema_uris: {
    description:
      'Whether an event may name its schema by an `http(s)` URI. The client then chooses what the service fetches.',
    ...flag,
    default: false,
  },
} as const satisfies Record<string, OptionSchema>
