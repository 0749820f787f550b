/** The gate without its HTTP service, for programs that validate and produce events by themselves: docs/library.md */

export { type App, type AppOptions, app } from './app.js'
export type { Factory, FactoryOptions } from './factory.js'
export { CODES, type Code, GateError, type SchemaError } from './lib/errors.js'
export {
  type Account,
  type Accounts,
  type Context,
  type Delivery,
  type Destination,
  type Event,
  type EventField,
  EventGate,
  type Events,
  type Lookups,
  type Observer,
  type Outcome,
  type Schema,
  type Steps,
  type Stream,
  type Trace,
} from './lib/eventgate.js'
export { Field } from './lib/field.js'
export { type Answer, answerTo } from './lib/http/answer.js'
export { type Body, readBody } from './lib/http/body.js'
export { type KafkaSettings, type ProducerSettings, readKafkaConf } from './lib/kafka/config.js'
export { KafkaProducer } from './lib/kafka/producer.js'
export { FileProducer } from './lib/producers/file.js'
export { MemoryProducer, type Produced } from './lib/producers/memory.js'
export type { Producer } from './lib/producers/producer.js'
export { type SchemaOptions, SchemaRepository } from './lib/schemas/repository.js'
export { type Enrich, type EnrichOptions, makeEnrich, makeTakeBack } from './lib/steps/enrich.js'
export { type ErrorEventOptions, ErrorEvents, type ErrorEventWay } from './lib/steps/error-events.js'
export { makeRoute, type Route } from './lib/steps/route.js'
export { makeTransforms, type Transform, type TransformOptions } from './lib/steps/transforms.js'
export {
  type StreamConfigObserver,
  type StreamConfigOptions,
  StreamConfigs,
} from './lib/streams/config-source.js'
export { type StreamOptions, Streams } from './lib/streams/streams.js'
export type { Log } from './lib/telemetry/log.js'
