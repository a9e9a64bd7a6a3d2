/** Tells the page's developer. Only what they can do something about, and never as an error. */
export const warn = (message: string): void => console.warn(`weir: ${message}`)
