import type {
  Asked, Chat, ChatEvent, ChatReply, ChatRequest, Embed, EmbedRequest, Endpoint, Fault, JsonObject, Operation, Rerank, RerankRequest, SearchWish,
} from '../core/index.ts'

/**
 * The two faces of a wire format. Inbound: a client speaks it to us. Outbound: we speak it to a provider.
 * Everything here is synchronous and pure but for a decoder's own buffer; nothing here knows HTTP connections.
 */

/** What the answer says of itself, known from the moment that the call is committed to an endpoint. */
export interface ReplyMeta {
  /** `gen-…`: the id of the answer and of `GET /generation`. */
  readonly id: string
  /** Unix seconds. */
  readonly created: number
  /** The model that answers, `author/slug`. */
  readonly model: string
  /** The provider's display name. */
  readonly provider: string
  readonly tier?: string | null
  /** What the prompt is taken for until its provider has counted it, in tokens: an estimate, for formats that begin with it. */
  readonly promptTokens?: number
  /** What was asked, for formats whose answers repeat it. */
  readonly asked?: Asked<Operation>
  /** Milliseconds since the epoch, for formats that say when an answer was complete. */
  now?(): number
}

/** An answer or an error as it is sent: as bytes where a thread wrote some of it. */
export interface Rendered<Body extends string | Uint8Array = string> {
  readonly status: number
  readonly body: Body
}

/** Turns the events of one reply into the bytes of one stream. One call, one string, one write. */
export interface Encoder {
  /** The bytes for a batch; may be empty. `metadata` rides on a fault in it, after which nothing follows. */
  push(batch: readonly ChatEvent[], metadata?: JsonObject): string
  /** What went to each provider that was asked, for callers who debug; before everything else. */
  debug?(upstreamBodies: readonly JsonObject[]): string
  /** What ends the stream; `metadata` (openrouter_metadata) rides on the last chunk. After a fault nothing follows. */
  end(metadata?: JsonObject): string
}

export interface Inbound<O extends Operation = Chat> {
  readonly dialect: string
  /**
   * Reads a body. `bytes` are those of the body where they may be spliced later.
   * Faults name the deepest path: `messages[0].content[1].image_url.url`. `headers` have lower-case names.
   */
  decode(body: unknown, bytes?: Uint8Array, headers?: RequestHeaders): { readonly asked: Asked<O> } | { readonly fault: Fault }
  /** A whole reply as a JSON body. A fault after partial output is a 200 whose choice says so, as OpenRouter answers it. */
  reply(reply: ChatReply, meta: ReplyMeta, metadata?: JsonObject): Rendered<O extends Chat ? string : string | Uint8Array>
  encoder(meta: ReplyMeta): Encoder
  /** A failure before anything was sent; `id` is that of the generation, where there is one. */
  fault(fault: Fault, extra?: JsonObject, id?: string | null): Rendered
  /** A failure inside a stream of which headers or comments were sent already, but no block: whole frames. */
  faultFrames(fault: Fault, meta: Partial<ReplyMeta> & { readonly id: string; readonly created: number }, metadata?: JsonObject): string
  /** Frames that keep a silent stream open (SSE comments). */
  readonly heartbeat: string
  /** What the address says of the request, where the face was made for one: another thread makes the same face from it. */
  readonly address?: FaceAddress
  /** The media type of a stream where it is not that of server-sent events. */
  readonly streamType?: string
}

/** How answers and faults are told, whatever was asked. */
export type Voice = Omit<Inbound<Operation>, 'decode'>

export type FaceAddress = Readonly<Record<string, string | boolean>>

export type RequestHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** The endpoint as a request is written for it, with what the face may need to make up. */
export interface Target {
  readonly endpoint: Endpoint
  readonly stream: boolean
  /** `provider.options.<slug>`: passthrough that goes into the body last. */
  readonly options?: JsonObject
  /** A stable, opaque id for the end user, for providers that demand one; never the raw one. */
  readonly userId?: string
}

/** A number that an endpoint is sent in the place of the caller's; `asked` is null where the caller said none. */
export interface Changed {
  /** In OpenRouter's parameter names. */
  readonly parameter: string
  readonly asked: number | null
  readonly sent: number
}

/** A request as it goes out; the address is `endpoint.baseUrl + path`. */
export interface Outgoing {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
  /** What the caller set and this endpoint or dialect has no word for: dropped, in OpenRouter's parameter names. */
  readonly dropped: readonly string[]
  /** What is sent with another value than the caller's, or because the provider demands one. */
  readonly changed?: readonly Changed[]
}

/** Turns the bytes of one upstream stream into events. Never throws: what it cannot read is a `fault` event. */
export interface Decoder {
  /** The events that a read completes; may be none. After a fault or the last finish it returns none. */
  push(bytes: Uint8Array): readonly ChatEvent[]
  /** The upstream closed: closes what is open, decides the finish, or reports the cut. */
  end(): readonly ChatEvent[]
  /** The format's own end mark was read (`[DONE]`, `message_stop`): nothing that follows matters. */
  readonly done?: boolean
  /** Each choice has said why it ended, and nothing more: what is missing are counts and the end mark, which some never send. */
  readonly finished?: boolean
}

export interface Outbound<Request extends Operation['request'] = ChatRequest> {
  readonly dialect: string
  /** Whether the provider fetches media at this address itself; without the method it fetches all. Others are sent as bytes. */
  fetches?(url: string, target: Target): boolean
  /** Headers (lower-case) whose values add up as a comma list where several parties set them; of others the last stands. */
  readonly listHeaders?: readonly string[]
  /** Parts and fields that this wire format cannot carry; the laws except exactly these. */
  readonly cannot: readonly string[]
  /** Of these the parameters of a request, in the names of `supported_parameters`: an endpoint's list cannot promise them. */
  readonly unspoken?: ReadonlySet<string>
  /**
   * The request with the provider's own search of the web in it, so that it is sent to an endpoint that has one; null where
   * it has none, or not as it is wished for. Absent: nobody of the format has.
   */
  withSearch?(request: ChatRequest, wish: SearchWish, endpoint: Endpoint): ChatRequest | null
  /**
   * How an endpoint can be told of tools beside its own list of parameters: by one (absent), only in the words of a prompt,
   * or in no way.
   */
  toolsBy?(endpoint: Endpoint): 'parameter' | 'prompt' | 'nothing'
  /** Says a format of answers in words of its own where the endpoint has no parameter for it. */
  readonly promptsFormat?: boolean
  /** The request in pieces, in order, where the provider takes only so much at once; one piece where all of it fits. */
  split?(request: Request, target: Target): readonly Request[]
  /** Writes a request for an endpoint, or says why it cannot be written for it. */
  encode(request: Request, target: Target): Outgoing | { readonly fault: Fault }
  /** A whole answer of status 200 as events: the same grammar as a stream's. An error inside a 200 is a fault. */
  decodeReply(body: Uint8Array, target: Target): readonly ChatEvent[]
  decoder(target: Target): Decoder
  /** An answer of another status (or a 200 that is no answer) as a fault. `headers` have lower-case names. */
  decodeFault(status: number, headers: Readonly<Record<string, string | string[] | undefined>>, body: Uint8Array, target: Target): Fault
}

/** The faces for one operation. */
export interface Faces<O extends Operation, Request extends Operation['request']> {
  readonly inbound?: Inbound<O>
  readonly outbound?: Outbound<Request>
}

export interface Dialect extends Faces<Chat, ChatRequest> {
  readonly name: string
  /** The face for an address that says a part of the request. */
  inboundAt?(address: FaceAddress): Inbound
  readonly embed?: Faces<Embed, EmbedRequest>
  readonly rerank?: Faces<Rerank, RerankRequest>
  /** It is made for models that continue a text. */
  readonly continues?: true
}
