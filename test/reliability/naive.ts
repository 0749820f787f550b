/** What one writes first: Express, express.json, Ajv, and kafkajs's own send for each event. */
import { Ajv } from 'ajv'
import express from 'express'
import kafkajs from 'kafkajs'
import { benchSchema } from '../../bench/event.js'

interface Event {
  meta: { stream: string; dt?: string; id?: string }
}

const client = new kafkajs.Kafka({
  brokers: (process.env.BOOTSTRAP ?? '').split(','),
  logLevel: kafkajs.logLevel.NOTHING,
})
const producer = client.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
await producer.connect()
const isValid = new Ajv({ strict: false, validateFormats: false }).compile(
  Object.assign(benchSchema(), { $schema: 'http://json-schema.org/draft-07/schema#' }),
)

const app = express()
app.use(express.json({ limit: '10mb' }))
app.post('/v1/events', async (req, res) => {
  const events: Event[] = [req.body].flat()
  for (const event of events) {
    event.meta.dt = new Date().toISOString()
    event.meta.id ??= crypto.randomUUID()
    if (!isValid(event)) return void res.status(400).json(isValid.errors)
  }
  try {
    const send = (event: Event) =>
      producer.send({
        topic: `${process.env.TOPIC_PREFIX}${event.meta.stream}`,
        messages: [{ value: JSON.stringify(event) }],
      })
    await Promise.all(events.map(send))
    res.status(201).end()
  } catch (error) {
    res.status(503).json({ error: String(error) })
  }
})
const server = app.listen(0, '127.0.0.1', () => console.log(JSON.stringify(server.address())))
