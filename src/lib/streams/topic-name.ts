/** The names that Kafka allows for a topic; it does not allow `.` and `..`. */
const LEGAL_TOPIC = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/

export function isLegalTopic(topic: string): boolean {
  return LEGAL_TOPIC.test(topic)
}

/** Streams named `eventlogging_…` take no prefix (docs/contract.md 4). */
export function topicOf(stream: string, prefix: string): string {
  return stream.startsWith('eventlogging_') ? stream : prefix + stream
}

/** Kafka refuses a topic if another one has the same name in its metrics, which write `.` as `_`. */
export function metricName(topic: string): string {
  return topic.replaceAll('.', '_')
}
