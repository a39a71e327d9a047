import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { createConformance, openApiOf } from './openapi.ts'
import { createRoutes } from './routes.ts'
import { HTTP_LIMITS } from './limits.ts'
import { createHttp } from './server.ts'
import { CHAT, FACE, get, post, servicesWith } from './stand-ins.test.ts'

const routes = createRoutes({ services: servicesWith(), limits: HTTP_LIMITS, face: FACE, metrics: null as never, draining: () => false })
const document = openApiOf(routes, '1.2.3')

describe('the table of routes', () => {
  it('lets nobody without a key near a route that asks for one', async () => {
    const services = servicesWith()
    const http = createHttp(services)
    await http.listen({ port: 0, host: '127.0.0.1' })
    let asked = 0
    for (const route of routes.filter(({ policy }) => policy === 'key')) {
      for (const path of route.paths) {
        for (const method of route.methods) {
          for (const headers of [{}, { authorization: 'Bearer bad' }] as Record<string, string>[]) {
            const response = await fetch(http.address() + path.replace(/\{\w+\}/g, 'x'), { method, headers, ...(method === 'POST' && { body: '{}' }) })
            assert.equal(response.status, 401, `${method} ${path}`)
            asked++
          }
        }
      }
    }
    assert.ok(asked >= 12)
    assert.equal(services.calls.length, 0)
    await http.close()
  })

  it('says of each route who may call it, what it answers and how it fails', () => {
    const names = new Set<string>()
    for (const route of routes) {
      assert.ok(['key', 'none', 'operator'].includes(route.policy), route.name)
      assert.ok(route.summary.length > 5 && Object.keys(route.replies).length > 0, route.name)
      assert.ok(!names.has(route.name), `${route.name} twice`)
      names.add(route.name)
      for (const path of route.paths) assert.equal(/\{/.test(path), route.params !== undefined, path)
    }
  })
})

describe('the document of the API', () => {
  it('has schemas only that are well-formed by the schema of schemas', () => {
    const ajv = new Ajv2020({ strict: false })
    const wellFormed = (where: string, schema: unknown) => assert.ok(ajv.validateSchema(schema as object), `${where}: ${ajv.errorsText(ajv.errors)}`)
    for (const [name, schema] of Object.entries(document.components.schemas)) wellFormed(name, schema)
    let inline = 0
    for (const [path, methods] of Object.entries(document.paths)) {
      JSON.stringify(methods, (key, value: unknown) => {
        if (key === 'schema') wellFormed(`schema ${++inline}, of ${path}`, value)
        return value
      })
    }
    assert.ok(inline > 50, `${inline} schemas`)
  })

  it('is OpenAPI 3.1 with every address of the table, and refers to nothing that is not in it', () => {
    assert.equal(document.openapi, '3.1.0')
    for (const route of routes) for (const path of route.paths) assert.ok(document.paths[path], path)
    const text = JSON.stringify(document)
    for (const [, name] of text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)) assert.ok(document.components.schemas[name!], String(name))
    assert.doesNotMatch(text, /\$defs/)
    const ids = Object.values(document.paths).flatMap((path) => Object.values(path).map((operation) => operation['operationId']))
    assert.equal(new Set(ids).size, ids.length)
    const chat = document.paths['/api/v1/chat/completions']!['post']!
    const body = chat['requestBody'] as { content: Record<string, { schema: Record<string, unknown> }> }
    assert.match(JSON.stringify(body.content['application/json']!.schema) + JSON.stringify(document.components.schemas), /"temperature"/)
    assert.deepEqual(document.paths['/api/v1/models']!['get']!['security'], [])
    assert.equal(chat['security'], undefined)
  })

  it('is served as it is', async () => {
    const http = createHttp(servicesWith())
    await http.listen({ port: 0, host: '127.0.0.1' })
    assert.deepEqual(await (await get(http, '/openapi.json', {})).json(), JSON.parse(JSON.stringify(http.document())))
    await http.close()
  })

  it('is held against what went over the wire, and finds what differs', async () => {
    const conforms = createConformance(document)
    const http = createHttp(servicesWith())
    await http.listen({ port: 0, host: '127.0.0.1' })
    const path = '/api/v1/chat/completions'
    const got = await (await post(http, path, CHAT)).json() as Record<string, unknown>
    assert.equal(conforms({ method: 'POST', path, sent: CHAT, status: 200, got }), null)
    assert.match(conforms({ method: 'POST', path, sent: CHAT, status: 200, got: { ...got, created: 'now' } })!, /created must be a whole number/)
    assert.match(conforms({ method: 'POST', path, sent: { ...CHAT, temperature: 'hot' }, status: 200, got })!, /temperature must be/)
    assert.match(conforms({ method: 'POST', path, status: 418, got })!, /418/)
    assert.match(conforms({ method: 'PUT', path, status: 200 })!, /not in the document/)
    assert.equal(conforms({ method: 'POST', path, status: 401, got: { error: { code: 401, message: 'x' } } }), null)
    assert.match(conforms({ method: 'POST', path, status: 401, got: { error: 'x' } })!, /error must be an object/)
    await http.close()
  })
})
