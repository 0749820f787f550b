import type { Config } from './lib/config/config.js'
import { EntryView } from './lib/dev/entry-view.js'
import { HostCheck } from './lib/dev/host-check.js'
import { Recorder } from './lib/dev/recorder.js'
import { Recording } from './lib/dev/recording.js'
import type { Steps } from './lib/eventgate.js'
import { Comparison } from './lib/evolution/comparison.js'
import { SchemaEdits } from './lib/evolution/edits.js'
import type { Explainer } from './lib/explain/explainer.js'
import { repairerFor } from './lib/explain/repairer.js'
import type { SchemaRepository } from './lib/schemas/repository.js'
import { DevRoutes } from './routes/dev.js'
import { PageRoutes } from './routes/dev-page.js'
import { gateFields, packaged } from './wiring.js'

/** The parts that only a development service has. */
export interface Dev {
  edits: SchemaEdits
  recording: Recording
  routes: DevRoutes
  hostCheck: HostCheck
  page: PageRoutes
}

/** Null if none can be made. */
async function sampleOf(schemas: SchemaRepository, uri: string): Promise<unknown> {
  await schemas.load([uri])
  try {
    return repairerFor(schemas.get(uri))?.sample() ?? null
  } catch {
    return null
  }
}

export function makeDev(config: Config, schemas: SchemaRepository, explainer: Explainer, steps: Steps): Dev {
  const recorder = new Recorder()
  const hostCheck = new HostCheck(config.dev_hosts)
  const { schema_uri_field: schemaUriField, stream_field } = config
  const recording = new Recording(recorder, { schemaUriField, streamField: stream_field ?? undefined })
  const edits = new SchemaEdits(new Comparison(steps, gateFields(config)), schemas)
  const routes = new DevRoutes({
    recorder,
    edits: () => edits.latest(),
    view: new EntryView(explainer),
    schemas: {
      list: () => schemas.list(),
      async show(uri) {
        const schema = await schemas.show(uri)
        const examples = Array.isArray(schema.examples) ? schema.examples : []
        return { uri, schema, examples, sample: await sampleOf(schemas, uri) }
      },
    },
    hostCheck,
  })
  return { edits, recording, routes, hostCheck, page: new PageRoutes(packaged('dist/static/dev'), hostCheck) }
}
