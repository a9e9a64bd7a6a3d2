/** A place for small texts: localStorage where the browser lets us, else the memory of this page. */
export interface Store {
  get(name: string): string | null
  /** Reports whether the text is kept beyond this page. */
  set(name: string, text: string): boolean
  remove(name: string): void
  /** The names that begin with a prefix, of all tabs of this origin. */
  names(prefix: string): string[]
}

/**
 * Never throws. Reading `localStorage` alone throws where storage is refused (sandboxed frames, blocked
 * site data), and writing does when it is full: what could not be written is answered from memory.
 */
export function openStore(): Store {
  const memory: Record<string, string> = {}
  const attempt = <T>(use: (storage: Storage) => T, otherwise: T): T => {
    try {
      return use(localStorage)
    } catch {
      return otherwise
    }
  }
  return {
    get: (name) => memory[name] || attempt((storage) => storage.getItem(name), null),
    set(name, text) {
      const kept = attempt((storage) => {
        storage.setItem(name, text)
        return true
      }, false)
      if (kept) delete memory[name]
      else memory[name] = text
      return kept
    },
    remove(name) {
      delete memory[name]
      attempt((storage) => storage.removeItem(name), undefined)
    },
    names: (prefix) =>
      attempt((storage) => Object.keys(storage), Object.keys(memory)).filter((name) =>
        name.startsWith(prefix),
      ),
  }
}
