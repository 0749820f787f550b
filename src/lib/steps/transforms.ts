import { GateError, quote } from '../errors.js'
import { type Context, type Event, isObject, type Schema, type Stream } from '../eventgate.js'
import { Field } from '../field.js'
import { guarded } from '../regexp/linear.js'
import { Inspection, provenFast } from '../regexp/safety.js'

/** Changes an event in place, or throws a GateError to refuse it. Runs between enrichment and validation. */
export type Transform = (event: Event, schema: Schema, stream: Stream, context: Context) => void

/** The options of transforms. */
export interface TransformOptions {
  /** User agents whose events with an `experiment` are refused; as text, they are checked to be fast. */
  userAgentDenylist: readonly (string | RegExp)[]
}

/** Transforms by their names in configurations. `eventgateWikimediaDefaults` names what enrichment does anyway. */
export const TRANSFORMS: Readonly<Record<string, ((options: TransformOptions) => Transform) | undefined>> = {
  eventgateWikimediaDefaults: undefined,
  processEdgeUniques: makeProcessEdgeUniques,
  testKitchen: ({ userAgentDenylist }) => makeDenyUserAgents(userAgentDenylist),
}

/** The setting of a stream that makes `processEdgeUniques` take its events. */
export const EDGE_UNIQUES_SETTING = {
  path: 'producers.eventgate.use_edge_uniques',
  description: 'Whether the transform `processEdgeUniques` takes the events (default: false).',
}

/** Makes the named transforms, in this order. */
export function makeTransforms(names: readonly string[], options: TransformOptions): Transform[] {
  return names.flatMap(name => TRANSFORMS[name]?.(options) ?? [])
}

/** The client's experiments, by name, as the header has them; undefined if it cannot be read. */
type Enrollments = ReadonlyMap<string, { group: string; subject: string }> | undefined

/**
 * Only the edge knows a client's subject id. An event names its experiment and group, with the subject `awaiting`,
 * and gets the subject from the header `X-Experiment-Enrollments: name=group/subject;…`. Streams opt in.
 */
function makeProcessEdgeUniques(): Transform {
  const usesEdgeUniques = new Field(EDGE_UNIQUES_SETTING.path)
  // The header is read once per request.
  const read = new WeakMap<Context, { enrollments: Enrollments }>()
  return (event, schema, stream, context) => {
    if (usesEdgeUniques.get((stream.settings ?? {}) as Event) !== true) return
    if (!Object.hasOwn(event, 'experiment') || !schema.declares('experiment')) return
    const { experiment } = event
    // Validation judges a value that is not an experiment.
    if (!isObject(experiment)) return
    const { enrolled, assigned, subject_id } = experiment
    const header = context.headers['x-experiment-enrollments']
    if (header === undefined) throw refused('the request has no X-Experiment-Enrollments')
    let once = read.get(context)
    if (!once) {
      once = { enrollments: readEnrollments(String(header)) }
      read.set(context, once)
    }
    const { enrollments } = once
    if (!enrollments)
      throw refused(`X-Experiment-Enrollments is not of the form name=group/subject;…: ${quote(header)}`)
    const own = enrollments.get(enrolled as string)
    if (!own)
      throw refused(`'.experiment.enrolled' is ${quote(enrolled)}, which the request is not enrolled in`)
    if (own.group !== assigned)
      throw refused(
        `'.experiment.assigned' is ${quote(assigned)}, the request is assigned ${quote(own.group)}`,
      )
    if (subject_id !== 'awaiting')
      throw refused(`'.experiment.subject_id' must be "awaiting", it is ${quote(subject_id)}`)
    experiment.subject_id = own.subject
  }
}

function refused(message: string): GateError {
  return new GateError('edge_uniques_refused', message)
}

function readEnrollments(header: string): Enrollments {
  const enrollments = new Map<string, { group: string; subject: string }>()
  for (const part of header.replace(/;\s*$/, '').split(';')) {
    const [, name, group, subject] = /^\s*([^=/\s]+)=([^=/\s]+)\/(\S+)\s*$/.exec(part) ?? []
    if (name === undefined || group === undefined || subject === undefined || enrollments.has(name))
      return undefined
    enrollments.set(name, { group, subject })
  }
  return enrollments
}

/** Throws an Error if an entry is not a regular expression, or if a user agent could make it slow. */
export function userAgentExpressions(denylist: readonly string[]): RegExp[] {
  // This happens at the start, when there is time for all of them.
  const inspection = new Inspection(Infinity)
  return denylist
    .flatMap(entry => [entry, ...unquoted(entry)])
    .map(pattern => provenFast(pattern, inspection))
}

/** Charts that quote twice leave doubled backslashes, which match no user agent. */
function unquoted(entry: string): string[] {
  const pattern = entry.replaceAll('\\\\', '\\')
  try {
    guarded(pattern)
    return pattern === entry ? [] : [pattern]
  } catch {
    return []
  }
}

/** Robots must not take part in experiments. */
function makeDenyUserAgents(denylist: readonly (string | RegExp)[]): Transform {
  const expressions = denylist.flatMap(entry =>
    entry instanceof RegExp ? entry : userAgentExpressions([entry]),
  )
  return (event, _schema, _stream, context) => {
    if (!Object.hasOwn(event, 'experiment')) return
    const agent = context.headers['user-agent']?.toString() ?? ''
    if (expressions.some(expression => expression.test(agent)))
      throw new GateError('ua_denied', `user agent ${quote(agent)} takes part in no experiment`)
  }
}
