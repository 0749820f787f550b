import { writeFileSync } from 'node:fs'
import { CHART_README, generatedReadme, generatedSchema, SCHEMA } from './chart-docs.js'
import { generated, PAGE } from './config-docs.js'

writeFileSync(PAGE, generated())
writeFileSync(SCHEMA, generatedSchema())
writeFileSync(CHART_README, generatedReadme())
