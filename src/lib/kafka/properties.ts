import { PARTITIONERS } from './partitioner.js'
import { CODECS } from './wire/compression.js'

/** A property of librdkafka, and what it does here. */
export interface Property {
  readonly type: 'text' | 'flag' | 'number' | 'choice'
  readonly aliases?: readonly string[]
  readonly default?: PropertyValue | undefined
  /** The default of librdkafka, if it is another. */
  readonly librdkafka?: PropertyValue
  readonly range?: readonly [min: number, max: number]
  readonly choices?: readonly string[]
  /**
   * `ignored` is accepted with a warning. `rejected` stops the start, because the service would not do what the
   * property asks for.
   */
  readonly status: 'used' | 'ignored' | 'rejected'
  /** For the documentation and for messages. */
  readonly description: string
}

export type PropertyValue = string | number | boolean

type More = Partial<Omit<Property, 'type' | 'status'>>

const INT = 2_147_483_647

function text(description: string, more: More = {}) {
  return { type: 'text', status: 'used', description, ...more } as const
}
function flag(description: string, value: boolean, more: More = {}) {
  return { type: 'flag', status: 'used', description, default: value, ...more } as const
}
function number(description: string, range: readonly [number, number], value?: number, more: More = {}) {
  return { type: 'number', status: 'used', description, range, default: value, ...more } as const
}
function choice(description: string, choices: readonly string[], more: More = {}) {
  return { type: 'choice', status: 'used', description, choices, ...more } as const
}
/** The same for each of these names. */
function all(names: string, status: 'ignored' | 'rejected', description: string): Record<string, Property> {
  const property: Property = { type: 'text', status, description }
  return Object.fromEntries(names.split(/\s+/).map(name => [name, property]))
}

/** The properties that have an effect. */
const USED = {
  // Brokers and connections.
  'metadata.broker.list': text('Brokers to connect to first: host:port, separated by commas.', {
    aliases: ['bootstrap.servers'],
  }),
  'client.id': text("Name of this client in the brokers' logs, metrics and quotas.", {
    default: 'eventgate',
    librdkafka: 'rdkafka',
  }),
  'broker.address.family': choice('Which addresses of brokers to use.', ['any', 'v4', 'v6'], {
    default: 'any',
  }),
  'socket.keepalive.enable': flag('Whether the system probes idle connections.', true, { librdkafka: false }),
  'socket.connection.setup.timeout.ms': number(
    'Timeout of a connection attempt with TLS and SASL (ms). If any broker can answer, the next one is asked after 1 s.',
    [100, INT],
    10_000,
    { librdkafka: 30_000 },
  ),
  'topic.metadata.refresh.interval.ms': number('Maximum age of metadata (ms).', [1000, INT], 300_000, {
    aliases: ['metadata.max.age.ms'],
  }),
  'allow.auto.create.topics': flag(
    'Missing topics are created if the brokers allow it. `false` is an error: set auto.create.topics.enable=false on the brokers.',
    true,
  ),

  // Security.
  'security.protocol': choice(
    'Protocol to the brokers.',
    ['plaintext', 'ssl', 'sasl_plaintext', 'sasl_ssl'],
    { default: 'plaintext' },
  ),
  'ssl.ca.location': text("File or directory of the authorities that may sign brokers' certificates."),
  'ssl.ca.pem': text('The same as text.'),
  'ssl.crl.location': text('File of revoked certificates.'),
  'ssl.certificate.location': text("File of this client's certificate."),
  'ssl.certificate.pem': text('The same as text.'),
  'ssl.key.location': text("File of this client's private key."),
  'ssl.key.pem': text('The same as text.'),
  'ssl.key.password': text('Password of the private key.'),
  'ssl.keystore.location': text('PKCS#12 file of certificate and key, instead of the two above.'),
  'ssl.keystore.password': text('Password of that file.'),
  'ssl.cipher.suites': text(
    'Ciphers for TLS 1.2 in the notation of OpenSSL. Those of TLS 1.3 are always on.',
  ),
  'ssl.curves.list': text('Curves in the notation of OpenSSL.'),
  'ssl.sigalgs.list': text('Signature algorithms in the notation of OpenSSL.'),
  'enable.ssl.certificate.verification': flag("Whether a broker's certificate must be valid.", true),
  'ssl.endpoint.identification.algorithm': choice(
    "Whether a broker's certificate must name its host.",
    ['https', 'none'],
    { default: 'https' },
  ),
  'sasl.mechanisms': choice('SASL mechanism.', ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'], {
    aliases: ['sasl.mechanism'],
  }),
  'sasl.username': text('SASL user name.'),
  'sasl.password': text('SASL password.'),

  // What is sent, and when.
  acks: choice(
    'Replicas that must have an event before it counts as stored: all in sync (all, -1), the leader (1) or none (0).',
    ['all', '-1', '0', '1'],
    { aliases: ['request.required.acks'], default: 'all' },
  ),
  'enable.idempotence': flag(
    'Whether brokers recognise duplicates of retries; needs acks all. If brokers refuse it, events fail only if it is set to true here. If it is not set, they are sent without.',
    true,
    { librdkafka: false },
  ),
  'message.timeout.ms': number(
    'Time from the acceptance of an event to its answer (ms; 0: the maximum). For guaranteed events it is always below request_timeout_ms.',
    [0, INT],
    300_000,
    { aliases: ['delivery.timeout.ms'] },
  ),
  retries: number('Maximum number of retries. message.timeout.ms usually ends them earlier.', [0, INT], INT, {
    aliases: ['message.send.max.retries'],
  }),
  'retry.backoff.ms': number(
    'Wait before the first retry, doubled for each further one (ms).',
    [1, 300_000],
    100,
  ),
  'retry.backoff.max.ms': number('Maximum wait before a retry (ms).', [1, 300_000], 1000),
  'queue.buffering.max.ms': number(
    'Time that an event waits for others to share its batch, at most half of its timeout (ms). Events that arrive while a request is out share the next batch anyway.',
    [0, 900_000],
    0,
    { aliases: ['linger.ms'], librdkafka: 5 },
  ),
  'queue.buffering.max.messages': number(
    'Maximum number of events without an answer; further ones are refused (0: only bytes are limited).',
    [0, INT],
    100_000,
  ),
  'queue.buffering.max.kbytes': number(
    'Maximum size of events without an answer; further ones are refused (KiB). The default of librdkafka, 1 GiB, is more than a process has.',
    [1, INT],
    65_536,
    { librdkafka: 1_048_576 },
  ),
  'batch.num.messages': number('Maximum number of events in a batch.', [1, 1_000_000], 10_000),
  'batch.size': number(
    'Maximum size of a batch before compression (bytes). It is at most 250000 for hasty events, because guaranteed ones wait while a batch is made.',
    [1, INT],
    1_000_000,
  ),
  'message.max.bytes': number(
    'Maximum size of an event and of a request (bytes).',
    [1000, 1_000_000_000],
    1_000_000,
  ),
  'compression.codec': choice('Compression of batches.', CODECS, {
    aliases: ['compression.type'],
    default: 'none',
  }),
  'compression.level': number("Level for gzip and zstd (-1: the codec's default).", [-1, 22], -1),
  partitioner: choice(
    'How a key chooses its partition. Events without a key go to any partition.',
    Object.keys(PARTITIONERS),
    { default: 'consistent_random' },
  ),
  'sticky.partitioning.linger.ms': number(
    'Time that events without a key go to the same partition, or until a batch is full (ms). The default is twice `queue.buffering.max.ms`, and at least 10.',
    [0, 900_000],
  ),
}

/** Properties that have an effect, by the type of their value. */
export type PropertyOf<Type extends Property['type']> = {
  [Name in keyof typeof USED]: (typeof USED)[Name] extends { type: Type } ? Name : never
}[keyof typeof USED]

/** All properties that are known. Any other is an error, because it is most likely misspelt. */
export const PROPERTIES: Readonly<Record<string, Property>> = {
  ...USED,

  ...all('producer.poll.interval.ms', 'ignored', 'The producer does not poll.'),
  ...all(
    'log.connection.close',
    'ignored',
    'Only a connection that is needed and cannot be opened is logged.',
  ),
  ...all('statistics.interval.ms', 'ignored', 'Metrics are served at any time.'),
  ...all('socket.nagle.disable', 'ignored', "Nagle's algorithm is always off."),
  ...all(
    'max.in.flight.requests.per.connection max.in.flight',
    'ignored',
    'A connection has one request out at a time.',
  ),
  ...all('request.timeout.ms', 'ignored', 'The service adapts the timeout to how long replicas take.'),
  ...all('socket.timeout.ms', 'ignored', 'A request has 2 s more than the broker may take for it.'),
  ...all(
    `api.version.request api.version.request.timeout.ms api.version.fallback.ms background_event_cb broker.address.ttl
    broker.version.fallback builtin.features default_topic_conf https.ca.location https.ca.pem resolve_cb
    oauthbearer_token_refresh_cb client.dns.lookup client.rack closesocket_cb connect_cb connections.max.idle.ms
    debug delivery.report.only.error dr_cb dr_msg_cb enable.metrics.push enable.random.seed enabled_events error_cb event_cb
    interceptors internal.termination.signal log.queue log.thread.name log_cb log_level message.copy.max.bytes
    metadata.recovery.rebootstrap.trigger.ms metadata.recovery.strategy msg_order_cmp opaque open_cb partitioner_cb
    produce.offset.report queue.buffering.backpressure.threshold queuing.strategy receive.message.max.bytes
    reconnect.backoff.jitter.ms reconnect.backoff.max.ms reconnect.backoff.ms socket.blocking.max.ms socket.max.fails
    socket.receive.buffer.bytes socket.send.buffer.bytes socket_cb stats_cb throttle_cb topic.blacklist
    topic.metadata.propagation.max.ms topic.metadata.refresh.fast.cnt topic.metadata.refresh.fast.interval.ms
    topic.metadata.refresh.sparse transaction.timeout.ms`,
    'ignored',
    'It concerns how librdkafka works inside.',
  ),
  ...all(
    `consume.callback.max.messages consume_cb group.protocol group.protocol.type group.remote.assignor
    offset.store.method offset.store.path offset.store.sync.interval.ms offset_commit_cb rebalance_cb
    auto.commit.enable auto.commit.interval.ms auto.offset.reset check.crcs coordinator.query.interval.ms
    enable.auto.commit enable.auto.offset.store enable.partition.eof fetch.error.backoff.ms fetch.max.bytes
    fetch.message.max.bytes fetch.min.bytes fetch.queue.backoff.ms fetch.wait.max.ms group.id group.instance.id
    heartbeat.interval.ms isolation.level max.partition.fetch.bytes max.poll.interval.ms
    partition.assignment.strategy queued.max.messages.kbytes queued.min.messages session.timeout.ms`,
    'ignored',
    'It concerns consumers.',
  ),

  ...all('transactional.id', 'rejected', 'Transactions are not supported.'),
  ...all(
    'enable.gapless.guarantee',
    'rejected',
    'If an event fails, the events after it do not fail with it.',
  ),
  ...all('plugin.library.paths', 'rejected', "librdkafka's plugins cannot be loaded."),
  ...all('ssl.engine.location ssl.engine.id', 'rejected', "OpenSSL's engines are not supported."),
  ...all('ssl.providers', 'rejected', "The providers of OpenSSL are Node.js's own."),
  ...all(
    'ssl_ca ssl_certificate ssl_key ssl.certificate.verify_cb',
    'rejected',
    'It is for programs that link librdkafka. Use the ssl properties that end in .location.',
  ),
  ...all('ssl.ca.certificate.stores', 'rejected', 'Certificate stores of Windows are not supported.'),
  ...all(
    `sasl.kerberos.service.name sasl.kerberos.principal sasl.kerberos.kinit.cmd sasl.kerberos.keytab
    sasl.kerberos.min.time.before.relogin sasl.oauthbearer.config enable.sasl.oauthbearer.unsecure.jwt
    sasl.oauthbearer.method sasl.oauthbearer.client.id sasl.oauthbearer.client.secret sasl.oauthbearer.scope
    sasl.oauthbearer.extensions sasl.oauthbearer.token.endpoint.url`,
    'rejected',
    'The supported SASL mechanisms are PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512.',
  ),
}

/** Every spelling of a property, with its own name. */
export const NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries(PROPERTIES).flatMap(([name, { aliases = [] }]) =>
    [name, ...aliases].map(spelling => [spelling, name] as const),
  ),
)
