/** HTTP/1.1 as bytes: what those who send requests and those who answer them have to agree on about where a message ends. */
export { DONE, INVALID, MAX_HEADER_LINES, MORE } from './message-parser.ts'
export { RequestParser, type RequestHeaders } from './request-parser.ts'
export { MAX_HEAD_BYTES, ResponseParser, type ResponseHeaders } from './response-parser.ts'
