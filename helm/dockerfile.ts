import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, isAbsolute, join, resolve } from 'node:path'

/** How an image is run. */
export interface Image {
  root: string
  env: Record<string, string>
  workdir: string
  user: string
  entrypoint: string[]
  cmd: string[]
  healthcheck: string[]
}

/**
 * Lays out what a Dockerfile builds, without a container engine or a registry. Supports what this project's Dockerfile
 * uses: ARG, FROM, WORKDIR, COPY, RUN, ENV, USER, ENTRYPOINT, CMD, HEALTHCHECK. The last stage starts with the tree at
 * `root` and runs its commands in there, which needs root. Earlier stages run in folders under `work`, with this
 * machine's tools. An argument may name any path.
 */
export function layOut(
  file: string,
  context: string,
  root: string,
  work: string,
  args: Record<string, string>,
): Image {
  const stages = stagesOf(readFileSync(file, 'utf8'))
  const roots = new Map<string, string>()
  let image: Image | undefined
  for (const [i, { name, lines }] of stages.entries()) {
    const isLast = i === stages.length - 1
    const folder = isLast ? root : join(work, name)
    mkdirSync(folder, { recursive: true })
    roots.set(name, folder)
    image = {
      ...{ root: folder, env: {}, workdir: '/', user: 'root' },
      ...{ entrypoint: [], cmd: [], healthcheck: [] },
    }
    for (const line of lines) follow(line, image, { args, context, roots, isLast })
  }
  if (!image) throw new Error(`${file} has no stage`)
  return image
}

interface How {
  args: Record<string, string>
  context: string
  roots: Map<string, string>
  isLast: boolean
}

function follow(line: string, image: Image, { args, context, roots, isLast }: How): void {
  const [, word = '', rest = ''] = /^(\S+)\s+(.*)$/s.exec(line) ?? []
  const filled = rest.replace(/\$\{(\w+)\}/g, (_, name) => args[name] ?? image.env[name] ?? '')
  const inside = (path: string) => join(image.root, isAbsolute(path) ? path : join(image.workdir, path))
  switch (word) {
    case 'ARG': {
      const [name = '', value = ''] = filled.split('=')
      args[name] ??= value
      break
    }
    case 'ENV': {
      const [, name = '', value = ''] = /^(\w+)="?(.*?)"?$/.exec(filled) ?? []
      image.env[name] = value
      break
    }
    case 'WORKDIR':
      image.workdir = filled
      mkdirSync(inside(filled), { recursive: true })
      break
    case 'COPY': {
      const [, from, paths = ''] = /^(?:--from=(\S+) )?(.*)$/.exec(filled) ?? []
      const words = paths.split(' ')
      const target = words.pop() as string
      const source = (path: string) => (from ? join(String(roots.get(from)), path) : resolve(context, path))
      for (const path of words) copy(source(path), inside(target), target.endsWith('/'))
      break
    }
    case 'RUN': {
      const shell = ['/bin/sh', '-c', rest]
      const inRoot = ['chroot', image.root, '/usr/bin/env', '-i', `PATH=${PATH_INSIDE}`, ...shell]
      const [tool = '', ...words] = isLast ? inRoot : shell
      const cwd = isLast ? '/' : inside('.')
      const { status, stdout, stderr, error } = spawnSync(tool, words, { cwd, encoding: 'utf8' })
      if (status !== 0) throw new Error(`${line}:\n${error ?? ''}${stdout}${stderr}`)
      break
    }
    case 'USER':
      image.user = filled
      break
    case 'ENTRYPOINT':
      image.entrypoint = JSON.parse(filled)
      break
    case 'CMD':
      image.cmd = JSON.parse(filled)
      break
    case 'HEALTHCHECK':
      image.healthcheck = JSON.parse(filled.slice(filled.indexOf('[')))
      break
    case 'LABEL':
    case 'EXPOSE':
    case 'STOPSIGNAL':
      break
    default:
      throw new Error(`${word} is not known here: ${line}`)
  }
}

export const PATH_INSIDE = '/usr/local/bin:/usr/bin:/bin'

/** Copies as COPY does: the contents of a folder, not the folder. */
function copy(from: string, to: string, intoFolder: boolean): void {
  const options = { recursive: true, verbatimSymlinks: true, dereference: false }
  if (statSync(from).isDirectory()) {
    mkdirSync(to, { recursive: true })
    for (const name of readdirSync(from)) cpSync(join(from, name), join(to, name), options)
  } else {
    const isInto = intoFolder || (existsSync(to) && statSync(to).isDirectory())
    cpSync(from, isInto ? join(to, basename(from)) : to, options)
  }
}

function stagesOf(text: string): { name: string; lines: string[] }[] {
  const lines = text
    .replace(/^#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .filter(line => line.trim() !== '')
  const stages: { name: string; lines: string[] }[] = []
  for (const line of lines) {
    const [, name] = /^FROM \S+(?: AS (\S+))?/.exec(line) ?? []
    if (line.startsWith('FROM ')) stages.push({ name: name ?? 'last', lines: [] })
    // An argument before the first stage names the base image, which this machine replaces.
    else stages.at(-1)?.lines.push(line)
  }
  return stages
}
