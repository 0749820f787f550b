/** A command line that cannot be run. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The flags of all commands, for parseArgs. */
export const FLAGS = {
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
} as const

export const USAGE = `usage: eventgate serve [-c FILE | --dev]
       eventgate -c FILE
       eventgate validate [options] [FILE ... | -]
       eventgate check [options] [PATH ...]
       eventgate types -o FILE [--check] [PATH ...]
       eventgate spool ls DIRECTORY
       eventgate spool drain DIRECTORY -c FILE

serve       runs the service until SIGTERM or Ctrl-C
  -c, --config FILE   YAML configuration (default: config.yaml)
      --dev           configuration for a laptop: no Kafka, schemas from ./schemas, and a page at
                      http://localhost:8192/ that shows which events arrive and why some are refused

-c FILE     without a command runs the service too, with the flags and rules of service-runner: the variable
            APP_CONFIG_PATH overrides FILE, --num-workers (-n) overrides num_workers, and --verbose has no effect

validate    says what would become of events: JSON (an object or an array) or NDJSON, from files or stdin (-)
  -c, --config FILE   configuration of the service that would receive the events
      --schemas DIR   schema repository to try before those of the configuration; repeatable (default: ./schemas
                      if it exists, and there is no configuration)
      --schema URI    schema of events that do not name one
      --stream NAME   stream of events that do not name one
      --json          prints one verdict a line, as NDJSON
  exit code: 0 all events would be accepted, 1 some would be refused, 2 something could not be read or fetched

check       says whether new versions of schemas accept the events of older ones, and what else is wrong with
            schemas, stream configurations and a configuration file (default PATH: this folder)
  -c, --config FILE   checks this configuration too, and reads schemas as its service does
      --base REF      says what has changed since this git revision
      --schemas DIR   schema repository for references and streams; repeatable
      --sample FILE   real events as NDJSON: says how many of them each new version would refuse, and why
      --strict        fails for new major versions that break, and for everything that is uncertain
      --json, --sarif prints the results for programs
  exit code: 0 nothing breaks, 1 something breaks, 2 something could not be read

types       writes TypeScript types of schemas, and of the events that each stream takes
  -o, --output FILE   such as events.d.ts; events.lock.json next to it is for CI
      --schemas DIR   schema repository for references; repeatable
      --check         writes nothing; the exit code is 1 if the file is out of date

spool ls    lists a spool: the topics whose events wait, batches in doubt, dead letters, segments. It changes nothing
      --json          prints the list for programs
spool drain stores the events of a spool that no process uses in Kafka, and goes on until none is left
  -c, --config FILE   configuration with the Kafka that takes them
  exit code: 0 no event waits, 1 it was ended before, 2 the spool or the configuration cannot be used

  -v, --version       prints the version
  -h, --help          prints this text

examples:
  eventgate serve --dev
  eventgate validate --schemas schemas test/events/*.json
  echo '{"$schema":"/test/event/1.0.0","meta":{"stream":"a"},"test":42}' | eventgate validate
  eventgate check --base origin/main
  eventgate validate --json - < events.ndjson | jq 'select(.outcome == "refused") | .error.mended.text'
`
