/** Does what a document says, in a folder like a checkout. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { freePort } from '../support/http.js'
import { ROOT, temporary } from '../support/service.js'

/** A fenced block of a document. */
export interface Block {
  language: string
  text: string
  /** What its first line, a comment, names. */
  file: string | undefined
}

const FENCED = /^( *)```(\w*)\n([\s\S]*?)^\1```$/gm
const FILE = /^(?:#|\/\/|<!--) (\S+\.\w+)(?: -->)?\n/

export function documentOf(name: string): string {
  return readFileSync(join(ROOT, 'docs', name), 'utf8')
}

/** Its blocks, without the indentation that a list gives them. Throws where a fence is left over. */
export function blocksOf(document: string): Block[] {
  const blocks = [...document.matchAll(FENCED)].map(([, indent = '', language = '', inner = '']) => {
    const text = inner.replaceAll(new RegExp(`^${indent}`, 'gm'), '')
    return { language, text, file: FILE.exec(text)?.[1] }
  })
  const fences = document.match(/^ *```/gm) ?? []
  if (fences.length !== 2 * blocks.length) throw new Error('a block is not closed as it was opened')
  return blocks
}

/** What stands in the documents for the port of the reader's own service. */
const PORT = '8192'

/**
 * A reader of documents. It writes a file where its first line says. It runs the one command of `sh` in a first
 * terminal, and those of `console` in a second. The port is another one. What `npm ci && npm start` builds is there
 * already (test/page/walk.test.ts runs that command).
 */
export class Reader {
  readonly folder: string
  readonly port: string
  #service: ChildProcess | undefined

  private constructor(folder: string, port: string) {
    this.folder = folder
    this.port = port
  }

  static async open(t: TestContext): Promise<Reader> {
    const reader = new Reader(temporary(t), String(await freePort()))
    t.after(() => reader.close())
    for (const name of ['node_modules', 'dist']) symlinkSync(join(ROOT, name), join(reader.folder, name))
    for (const name of ['package.json', 'schemas'])
      cpSync(join(ROOT, name), join(reader.folder, name), { recursive: true })
    reader.write('config.dev.yaml', readFileSync(join(ROOT, 'config.dev.yaml'), 'utf8'))
    return reader
  }

  /** The text with the port that the service has here. */
  here(text: string): string {
    return text.replaceAll(PORT, this.port)
  }

  write(file: string, text: string): void {
    const path = join(this.folder, file)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, this.here(text))
  }

  /** Does what a block says, and gives the block as it is true: with the output that the commands have. */
  async read({ language, text, file }: Block): Promise<string> {
    if (file !== undefined) this.write(file, text)
    else if (language === 'sh') await this.#serve(text)
    else if (language === 'console') return this.#type(text)
    else throw new Error(`nothing is known of blocks of ${language || 'no language'}: ${text}`)
    return text
  }

  async #serve(command: string): Promise<void> {
    await this.close()
    const built = command === 'npm ci && npm start\n' ? 'node dist/server.js -c config.dev.yaml' : command
    // A process group of its own: npx has a child.
    const child = spawn('bash', ['-c', built], {
      ...{ cwd: this.folder, env: ENV, detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
    })
    this.#service = child
    let out = ''
    child.stderr?.on('data', chunk => {
      out += chunk
    })
    await new Promise<void>((resolve, reject) => {
      child.stdout?.on('data', chunk => {
        out += chunk
        if (out.includes(`is ready on port ${this.port}`)) resolve()
      })
      child.once('exit', code => reject(new Error(`${command} ended with ${code}: ${out}`)))
    })
  }

  async #type(text: string): Promise<string> {
    const commands = text.split('\n').filter(line => line.startsWith('$ '))
    let shown = ''
    for (const line of commands) shown += `${line}\n${await this.#output(line.slice(2))}`
    return shown.endsWith('\n') ? shown : `${shown}\n`
  }

  async #output(command: string): Promise<string> {
    const child = spawn('bash', ['-c', this.here(command)], {
      ...{ cwd: this.folder, env: ENV, stdio: ['ignore', 'pipe', 'inherit'] },
    })
    let out = ''
    child.stdout?.setEncoding('utf8').on('data', chunk => {
      out += chunk
    })
    await once(child, 'close')
    return out.replaceAll(this.port, PORT)
  }

  async close(): Promise<void> {
    const child = this.#service
    if (child?.pid === undefined || child.exitCode !== null) return
    const exit = once(child, 'exit')
    process.kill(-child.pid, 'SIGTERM')
    await exit
  }
}

/** npm's warnings about the reader's own configuration are no output of the commands. */
const ENV = { ...process.env, npm_config_loglevel: 'error', npm_config_update_notifier: 'false' }
