/** What readers of the manual say of its pages, for the operator. */
export { createFeedback, MOST_TEXT, type Feedback, type PageFeedback } from './feedback.ts'
