import { writeFileSync } from 'node:fs'
import { generated, PAGE } from './config-docs.js'

writeFileSync(PAGE, generated())
