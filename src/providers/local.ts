/** A server that was found on this machine, with the models that it offers. */
export interface LocalFinding {
  readonly provider: string
  readonly baseUrl: string
  readonly models: readonly string[]
}

interface LocalServer {
  readonly provider: string
  readonly baseUrl: string
}

/** Where local servers listen unless told otherwise. Their OpenAI-shaped face lists models at `/models`. */
export const LOCAL_SERVERS: readonly LocalServer[] = [
  { provider: 'ollama', baseUrl: 'http://127.0.0.1:11434/v1' },
  { provider: 'lmstudio', baseUrl: 'http://127.0.0.1:1234/v1' },
  { provider: 'llama-cpp', baseUrl: 'http://127.0.0.1:8080/v1' },
  { provider: 'vllm', baseUrl: 'http://127.0.0.1:8000/v1' },
]

const MAX_MODELS = 500
const MODEL_NAME = /^[\w.:/@+-]{1,200}$/

/**
 * Looks once for servers on loopback, all at the same time. `get` answers a parsed JSON body, or null when there is
 * none within the time it allows (200 ms); what it answers is not trusted to be what it should be.
 */
export async function discoverLocal(
  get: (url: string) => Promise<unknown>,
  servers: readonly LocalServer[] = LOCAL_SERVERS,
): Promise<readonly LocalFinding[]> {
  const findings = await Promise.all(servers.map(async (server) => {
    const models = modelsIn(await get(`${server.baseUrl}/models`))
    return models.length > 0 ? { ...server, models } : null
  }))
  return findings.filter((finding) => finding !== null)
}

function modelsIn(body: unknown): readonly string[] {
  const data = body !== null && typeof body === 'object' ? (body as { data?: unknown }).data : null
  if (!Array.isArray(data)) return []
  return data
    .map((row: unknown) => row !== null && typeof row === 'object' ? (row as { id?: unknown }).id : null)
    .filter((id): id is string => typeof id === 'string' && MODEL_NAME.test(id))
    .slice(0, MAX_MODELS)
}
