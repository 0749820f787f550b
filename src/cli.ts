#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { check } from './cli/check.js'
import { types } from './cli/types.js'
import { UsageError } from './cli/usage.js'
import { validate } from './cli/validate.js'
import { packaged, readInfo } from './wiring.js'

const EX_UNREADABLE = 2

const USAGE = `usage: eventgate serve [-c FILE | --dev]
       eventgate -c FILE
       eventgate validate [options] [FILE ... | -]
       eventgate check [options] [PATH ...]
       eventgate types -o FILE [--check] [PATH ...]

serve       takes events over HTTP until it is told to end (SIGTERM, Ctrl-C)
  -c, --config FILE   configuration, YAML (default: config.yaml)
      --dev           the configuration for a laptop: no Kafka, schemas from ./schemas, and a page at
                      http://localhost:8192/ that shows what arrives and why it is refused

-c FILE     without a command serves, with service-runner's flags and rules: the variable APP_CONFIG_PATH wins over
            FILE, --num-workers (-n) must be 0, --verbose is accepted without meaning

validate    says what would become of events: JSON (an object or an array), or NDJSON; - is the standard input
  -c, --config FILE   takes events as a service with this configuration would
      --schemas DIR   a schema repository, may be repeated, goes before the configuration's; without any, and
                      without a configuration: ./schemas, if it is there
      --schema URI    the schema of events that name none
      --stream NAME   the stream of events that name none
      --json          verdicts as NDJSON, one a line
  exit code: 0 all events would be accepted, 1 some would not, 2 something could not be read or asked

check       says whether new versions of schemas accept what those before them accept, and what else is wrong with
            schemas, stream configurations and a configuration file; without a PATH, in this folder
  -c, --config FILE   checks this configuration too, and takes schemas as a service with it would
      --base REF      also says what has changed since this revision of git
      --schemas DIR   a schema repository that streams and references may name, may be repeated
      --sample FILE   real events as NDJSON: how many of them each new version would refuse, and why
      --strict        a new major version may not break either, and every doubt counts
      --json, --sarif the results for programs
  exit code: 0 nothing breaks, 1 something does, 2 something could not be read

types       writes TypeScript types of schemas, and of which events each stream takes
  -o, --output FILE   such as events.d.ts; events.lock.json beside it is for CI
      --schemas DIR   a schema repository that references may name, may be repeated
      --check         writes nothing; the exit code is 1 if the file is out of date

  -v, --version       say the version and end
  -h, --help          say this and end

examples:
  eventgate serve --dev
  eventgate validate --schemas schemas test/events/*.json
  echo '{"$schema":"/test/event/1.0.0","meta":{"stream":"a"},"test":42}' | eventgate validate
  eventgate check --base origin/main
  eventgate validate --json - < events.ndjson | jq 'select(.outcome == "refused") | .error.mended.text'
`

main().catch(error => {
  const hint = error instanceof UsageError ? '\n(eventgate --help says how it is used)' : ''
  process.stderr.write(`eventgate: ${(error as Error).message}${hint}\n`)
  process.exitCode = EX_UNREADABLE
})

async function main(): Promise<void> {
  const { values, positionals } = parse()
  const [command, ...files] = positionals
  if (values.help) return void process.stdout.write(USAGE)
  if (values.version) return void process.stdout.write(`${readInfo().version}\n`)
  const workers = values['num-workers'] ?? '0'
  if (workers !== '0')
    throw new UsageError(`--num-workers must be 0, not ${workers}: one process serves; run more of them`)
  if (command === 'validate') {
    if (values.dev) throw new UsageError('--dev is for serve')
    process.exitCode = await validate({ ...values, files })
  } else if (command === 'check') {
    process.exitCode = await check({ ...values, files })
  } else if (command === 'types') {
    process.exitCode = await types({ ...values, files })
  } else if (command === 'serve') {
    if (files.length > 0) throw new UsageError(`serve takes no ${JSON.stringify(files[0])}`)
    await serve(values)
  } else if (command !== undefined) {
    throw new UsageError(`there is no command ${JSON.stringify(command)}`)
  } else if (values.config !== undefined || process.env.APP_CONFIG_PATH) {
    await serveAsServiceRunner(values)
  } else {
    throw new UsageError('say serve, validate, check or types, or name a configuration: -c FILE')
  }
}

function parse() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        config: { type: 'string', short: 'c' },
        'num-workers': { type: 'string', short: 'n' },
        verbose: { type: 'boolean' },
        dev: { type: 'boolean' },
        schemas: { type: 'string', multiple: true },
        schema: { type: 'string' },
        stream: { type: 'string' },
        json: { type: 'boolean' },
        base: { type: 'string' },
        output: { type: 'string', short: 'o' },
        check: { type: 'boolean' },
        sample: { type: 'string' },
        strict: { type: 'boolean' },
        sarif: { type: 'boolean' },
        version: { type: 'boolean', short: 'v' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

interface ServeOptions {
  config?: string | undefined
  dev?: boolean | undefined
}

async function serve({ config, dev }: ServeOptions): Promise<void> {
  if (dev && config !== undefined) throw new UsageError('--dev is a configuration: give it or -c')
  // The variable would go before.
  if (dev || config !== undefined) delete process.env.APP_CONFIG_PATH
  await startServer(dev ? packaged('config.dev.yaml') : config)
}

/** Charts made for service-runner start the service so. */
async function serveAsServiceRunner({ config, dev }: ServeOptions): Promise<void> {
  if (dev) throw new UsageError('--dev is for serve')
  await startServer(config)
}

/** The service reads its own command line. */
async function startServer(file: string | undefined): Promise<void> {
  process.argv.splice(2, Infinity, ...(file === undefined ? [] : ['-c', file]))
  await import('./server.js')
}
