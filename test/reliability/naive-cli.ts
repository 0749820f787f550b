/**
 * What one writes first: an event in, `producer.send`, 201. It says "not stored" of every failure. Run by the
 * ledger to show that the ledger sees lies; BOOTSTRAP names the brokers, PORT where it listens.
 */
import { createServer } from 'node:http'
import kafkajs from 'kafkajs'

interface Event {
  meta: { stream: string }
}

const client = new kafkajs.Kafka({
  brokers: (process.env.BOOTSTRAP ?? '').split(','),
  logLevel: kafkajs.logLevel.NOTHING,
})
const producer = client.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
await producer.connect()

const server = createServer(async (request, response) => {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const body: unknown = JSON.parse(String(Buffer.concat(chunks)))
  const events = (Array.isArray(body) ? body : [body]) as Event[]
  try {
    const topicMessages = events.map(event => ({
      topic: event.meta.stream,
      messages: [{ value: JSON.stringify(event) }],
    }))
    await producer.sendBatch({ topicMessages })
    response.writeHead(201).end()
  } catch (thrown) {
    const context = { message: String(thrown) }
    const error = events.map((event, index) => ({
      status: 'error',
      event,
      context,
      code: 'produce_failed',
      retriable: true,
      index,
    }))
    response.writeHead(503).end(JSON.stringify({ error }))
  }
})
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => console.log(JSON.stringify(server.address())))
process.on('SIGTERM', () => process.exit(0))
