import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** What a measurement of reliability came to. */
export interface Result {
  /** Markdown: what was done, in a sentence or two, and a table of figures. */
  text: string
  /** Promises that were broken, in words; empty if all were kept. */
  broken: string[]
}

/** The document's sections, in its order. Each is written by one measurement, and only by it. */
export const SECTIONS = {
  faults: 'Brokers, networks and the gate itself fail: `npm run ledger -- --only faults`',
  spool: 'Ten minutes without Kafka, with a spool: `npm run ledger -- --only spool`',
  'spool-topic': 'One topic without a leader, with a spool: `npm run ledger -- --only spool-topic`',
  'spool-faults': 'The same faults with a spool: `npm run ledger -- --only spool-faults`',
  isolation: 'Beside what is sick: `npm run ledger -- --only isolation`',
  outage: 'Three minutes without Kafka: `npm run ledger -- --only outage`',
  overload: 'More than it can take: `npm run ledger -- --only overload`',
  fuzz: 'Hostile requests: `npm run fuzz`',
  bystanders: 'Beside hostile clients: `npm run fuzz -- --bystanders`',
} as const

export type Section = keyof typeof SECTIONS

const FILE = fileURLToPath(new URL('../../../bench/RELIABILITY.md', import.meta.url))

const HEAD =
  '# Reliability\n\nWhat was answered, against what is in Kafka. Each section is written by the command in its title, never by hand.\n'

/** Puts a result into `bench/RELIABILITY.md`, in the place of the section's last one. */
export function publish(section: Section, text: string): void {
  const sections = read()
  const on = new Date().toISOString().slice(0, 10)
  sections.set(section, `Written on ${on} by Node ${process.version}.\n\n${text.trim()}\n`)
  const whole = (Object.keys(SECTIONS) as Section[]).flatMap(name => {
    const body = sections.get(name)
    return body === undefined ? [] : [`## ${SECTIONS[name]}\n\n${body}`]
  })
  writeFileSync(FILE, [HEAD, ...whole].join('\n'))
}

function read(): Map<Section, string> {
  const sections = new Map<Section, string>()
  if (!existsSync(FILE)) return sections
  for (const part of readFileSync(FILE, 'utf8').split(/^## /m).slice(1)) {
    const end = part.indexOf('\n')
    const name = (Object.keys(SECTIONS) as Section[]).find(key => SECTIONS[key] === part.slice(0, end))
    if (name) sections.set(name, `${part.slice(end + 1).trim()}\n`)
  }
  return sections
}
