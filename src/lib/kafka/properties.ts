import { PARTITIONERS } from './partitioner.js'
import { CODECS } from './wire/compression.js'

/** One of Kafka's properties, as librdkafka spells them, and what it means here. */
export interface Property {
  readonly type: 'text' | 'flag' | 'number' | 'choice'
  readonly aliases?: readonly string[]
  /** In place of librdkafka's where that would be wrong for a service; said in `means`. */
  readonly default?: string | number | boolean
  /** Where it is another. */
  readonly librdkafka?: string | number | boolean
  readonly range?: readonly [min: number, max: number]
  readonly choices?: readonly string[]
  /**
   * `used`; `no meaning`: accepted, and said so once at start; `refused`: it exists, but what it demands this
   * producer cannot do, so that to go on without it would be another service than was asked for.
   */
  readonly status: 'used' | 'no meaning' | 'refused'
  /** One sentence for the documentation and for messages. */
  readonly means: string
}

const INT = 2_147_483_647

function text(means: string, more: Partial<Property> = {}): Property {
  return { type: 'text', status: 'used', means, ...more }
}
function flag(means: string, value: boolean, more: Partial<Property> = {}): Property {
  return { type: 'flag', status: 'used', means, default: value, ...more }
}
function number(
  means: string,
  range: readonly [number, number],
  value?: number,
  more: Partial<Property> = {},
): Property {
  return {
    type: 'number',
    status: 'used',
    means,
    range,
    ...(value === undefined ? {} : { default: value }),
    ...more,
  }
}
function choice(means: string, choices: readonly string[], more: Partial<Property> = {}): Property {
  return { type: 'choice', status: 'used', means, choices, ...more }
}
function idle(means: string): Property {
  return { type: 'text', status: 'no meaning', means }
}
function refused(means: string): Property {
  return { type: 'text', status: 'refused', means }
}

/** All properties that are known. Any other is an error, for it is most likely a misspelt one. */
export const PROPERTIES: Readonly<Record<string, Property>> = {
  // Brokers and connections.
  'metadata.broker.list': text('The brokers to ask first: host:port, separated by commas.', {
    aliases: ['bootstrap.servers'],
  }),
  'client.id': text("Names this client in the brokers' logs, metrics and quotas.", {
    default: 'eventgate',
    librdkafka: 'rdkafka',
  }),
  'broker.address.family': choice('Which addresses of brokers to use.', ['any', 'v4', 'v6'], {
    default: 'any',
  }),
  'socket.keepalive.enable': flag('Whether the system probes idle connections.', true, { librdkafka: false }),
  'socket.connection.setup.timeout.ms': number(
    'For a connection with TLS and SASL. Another broker is asked after a second, where any can answer.',
    [100, INT],
    10_000,
    { librdkafka: 30_000 },
  ),
  'topic.metadata.refresh.interval.ms': number('Metadata is at most this old.', [1000, INT], 300_000, {
    aliases: ['metadata.max.age.ms'],
  }),
  'allow.auto.create.topics': flag(
    'Topics that are not there are created where the brokers allow it. false is an error: set auto.create.topics.enable=false on the brokers.',
    true,
  ),

  // Security.
  'security.protocol': choice('How to talk to brokers.', ['plaintext', 'ssl', 'sasl_plaintext', 'sasl_ssl'], {
    default: 'plaintext',
  }),
  'ssl.ca.location': text("File or directory of the authorities that may sign brokers' certificates."),
  'ssl.ca.pem': text('The same, as text.'),
  'ssl.crl.location': text('File of revoked certificates.'),
  'ssl.certificate.location': text("File of this client's certificate."),
  'ssl.certificate.pem': text('The same, as text.'),
  'ssl.key.location': text("File of this client's private key."),
  'ssl.key.pem': text('The same, as text.'),
  'ssl.key.password': text('Opens the private key.'),
  'ssl.keystore.location': text('PKCS#12 file with certificate and key, in place of those.'),
  'ssl.keystore.password': text('Opens it.'),
  'ssl.cipher.suites': text('Ciphers for TLS 1.2, in the notation of OpenSSL; those of TLS 1.3 stay.'),
  'ssl.curves.list': text('Curves, in the notation of OpenSSL.'),
  'ssl.sigalgs.list': text('Signature algorithms, in the notation of OpenSSL.'),
  'enable.ssl.certificate.verification': flag("Whether a broker's certificate must be valid.", true),
  'ssl.endpoint.identification.algorithm': choice(
    "Whether a broker's certificate must name its host.",
    ['https', 'none'],
    { default: 'https' },
  ),
  'sasl.mechanisms': choice('How to prove who we are.', ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'], {
    aliases: ['sasl.mechanism'],
  }),
  'sasl.username': text('Who we are.'),
  'sasl.password': text('What proves it.'),

  // What is sent, and when.
  acks: choice(
    'Who must have an event before it counts as stored: all in-sync replicas (all, -1), the leader (1), nobody (0).',
    ['all', '-1', '0', '1'],
    { aliases: ['request.required.acks'], default: 'all' },
  ),
  'enable.idempotence': flag(
    'Whether brokers recognise what is sent again. Needs acks all. If it is true here, events of brokers that refuse it fail; if it is not set, they go without.',
    true,
    {
      librdkafka: false,
    },
  ),
  'message.timeout.ms': number(
    'From the acceptance of an event to its answer; 0 is the longest there is. Guaranteed events: just below request_timeout_ms, at most.',
    [0, INT],
    300_000,
    { aliases: ['delivery.timeout.ms'] },
  ),
  retries: number('Attempts after the first; what ends them before is message.timeout.ms.', [0, INT], INT, {
    aliases: ['message.send.max.retries'],
  }),
  'retry.backoff.ms': number(
    'Wait before the first attempt that follows a failure, doubled each time.',
    [1, 300_000],
    100,
  ),
  'retry.backoff.max.ms': number('The longest such wait.', [1, 300_000], 1000),
  'queue.buffering.max.ms': number(
    'How long an event waits for others to be sent with, half of its time at most. librdkafka waits 5 ms; what arrives while a request is out shares the next one anyway.',
    [0, 900_000],
    0,
    { aliases: ['linger.ms'], librdkafka: 5 },
  ),
  'queue.buffering.max.messages': number(
    'Events that may be without an answer; more are refused. 0: only the bytes are bounded.',
    [0, INT],
    100_000,
  ),
  'queue.buffering.max.kbytes': number(
    'Kilobytes that may be without an answer; more are refused. librdkafka allows 1 GiB, more than a process has.',
    [1, INT],
    65_536,
    { librdkafka: 1_048_576 },
  ),
  'batch.num.messages': number('Events of one batch.', [1, 1_000_000], 10_000),
  'batch.size': number(
    'Bytes of one batch, before compression. Of hasty events at most 250000: while a batch is made nothing else is done.',
    [1, INT],
    1_000_000,
  ),
  'message.max.bytes': number(
    'Bytes of the largest event, and of a request.',
    [1000, 1_000_000_000],
    1_000_000,
  ),
  'compression.codec': choice('How batches are compressed.', CODECS, {
    aliases: ['compression.type'],
    default: 'none',
  }),
  'compression.level': number("For gzip and zstd. -1: the codec's default.", [-1, 22], -1),
  partitioner: choice(
    'Which partition a key goes to; events without one go to any.',
    Object.keys(PARTITIONERS),
    { default: 'consistent_random' },
  ),
  'sticky.partitioning.linger.ms': number(
    'For how long events without a key go to one partition, so that they share batches, or until a batch is full. By default twice `queue.buffering.max.ms`, and 10 at least.',
    [0, 900_000],
  ),

  // Known, and without meaning here.
  'producer.poll.interval.ms': idle('Nothing is polled.'),
  'log.connection.close': idle('A connection that ends is no news; one that is needed and cannot be had is.'),
  'statistics.interval.ms': idle('Metrics are served at any time.'),
  'socket.nagle.disable': idle("Nagle's algorithm is always off."),
  'max.in.flight.requests.per.connection': idle('A connection has one request out at a time.'),
  'max.in.flight': idle('A connection has one request out at a time.'),
  'request.timeout.ms': idle('How long brokers wait for replicas follows from how long they had to.'),
  'socket.timeout.ms': idle('A request has 2 s more than the broker may take for it.'),
  ...Object.fromEntries(
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
    topic.metadata.refresh.sparse transaction.timeout.ms`
      .split(/\s+/)
      .map(name => [name, idle('Concerns how librdkafka works inside.')]),
  ),
  ...Object.fromEntries(
    `consume.callback.max.messages consume_cb group.protocol group.protocol.type group.remote.assignor
    offset.store.method offset.store.path offset.store.sync.interval.ms offset_commit_cb rebalance_cb
    auto.commit.enable auto.commit.interval.ms auto.offset.reset check.crcs coordinator.query.interval.ms
    enable.auto.commit enable.auto.offset.store enable.partition.eof fetch.error.backoff.ms fetch.max.bytes
    fetch.message.max.bytes fetch.min.bytes fetch.queue.backoff.ms fetch.wait.max.ms group.id group.instance.id
    heartbeat.interval.ms isolation.level max.partition.fetch.bytes max.poll.interval.ms
    partition.assignment.strategy queued.max.messages.kbytes queued.min.messages session.timeout.ms`
      .split(/\s+/)
      .map(name => [name, idle("A consumer's.")]),
  ),

  // Known, and impossible.
  'transactional.id': refused('Transactions are not supported.'),
  'enable.gapless.guarantee': refused(
    'An event that fails is answered so; those after it do not fail with it.',
  ),
  'plugin.library.paths': refused("librdkafka's plugins cannot be loaded."),
  'ssl.engine.location': refused("OpenSSL's engines are not supported."),
  'ssl.engine.id': refused("OpenSSL's engines are not supported."),
  'ssl.providers': refused("OpenSSL's providers are Node.js's own."),
  ...Object.fromEntries(
    ['ssl_ca', 'ssl_certificate', 'ssl_key', 'ssl.certificate.verify_cb'].map(name => [
      name,
      refused("Only for programs that link librdkafka: name files by the ssl properties' .location."),
    ]),
  ),
  'ssl.ca.certificate.stores': refused("Windows' stores of certificates are not supported."),
  ...Object.fromEntries(
    `sasl.kerberos.service.name sasl.kerberos.principal sasl.kerberos.kinit.cmd sasl.kerberos.keytab
    sasl.kerberos.min.time.before.relogin sasl.oauthbearer.config enable.sasl.oauthbearer.unsecure.jwt
    sasl.oauthbearer.method sasl.oauthbearer.client.id sasl.oauthbearer.client.secret sasl.oauthbearer.scope
    sasl.oauthbearer.extensions sasl.oauthbearer.token.endpoint.url`
      .split(/\s+/)
      .map(name => [name, refused('SASL by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 only.')]),
  ),
}

/** Any spelling of a property → its own name. */
export const NAMES: ReadonlyMap<string, string> = new Map(
  Object.entries(PROPERTIES).flatMap(([name, { aliases = [] }]) =>
    [name, ...aliases].map(spelling => [spelling, name] as const),
  ),
)
