// Package live tells those who wait about outcomes as they happen: the live
// view, and requests that asked to be answered after processing. It keeps
// nothing: the log in the event store is where outcomes last.
package live

import "github.com/weirhq/weir"

// Message is one outcome with the item that it is about.
type Message struct {
	Workspace weir.WorkspaceID
	Outcome   weir.Outcome
	Raw       []byte // the item as sent; not to be changed
}
