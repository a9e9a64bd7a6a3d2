package dashboard

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/workspace"
)

// LogRow is what became of one item.
type LogRow struct {
	Position   string           `json:"position" doc:"Its place in the log, partition.sequence." example:"3.1042"`
	Receipt    string           `json:"receipt,omitempty" doc:"Of the request that it came with." example:"rcp_8fQ2"`
	Index      int              `json:"index" doc:"Its place in that request, from 0."`
	Kind       string           `json:"kind,omitempty" example:"custom_event"`
	ItemID     string           `json:"item_id,omitempty"`
	Name       string           `json:"name,omitempty" doc:"Of the event that it became." example:"Purchase"`
	UserID     string           `json:"user_id,omitempty" doc:"As it was sent."`
	Person     uint32           `json:"person,omitempty" doc:"The number of the person, when it was processed."`
	Source     weir.SourceID    `json:"source,omitempty" doc:"The id of the key that it was sent with."`
	SourceName string           `json:"source_name,omitempty" example:"Web"`
	ReceivedAt weir.Micros      `json:"received_at"`
	Time       weir.Micros      `json:"time,omitempty" doc:"When it happened, corrected for the sender's clock."`
	Status     weir.Status      `json:"status" enum:"stored,duplicate,superseded,conflict,rejected,dead,waiting"`
	Code       string           `json:"code,omitempty" doc:"Why it was not stored."`
	Field      string           `json:"field,omitempty"`
	Message    string           `json:"message,omitempty"`
	Warnings   []weir.Rejection `json:"warnings,omitempty" doc:"Fields that could not be read and were set aside."`
	Size       int              `json:"size" doc:"Bytes as it was sent."`
}

func newRow(o *weir.Outcome, sourceName string) LogRow {
	return LogRow{
		Position: o.Position.String(), Receipt: o.Receipt, Index: o.Index,
		Kind: string(o.Kind), ItemID: o.ItemID, Name: o.Name, UserID: o.UserID, Person: o.Person,
		Source: o.Source, SourceName: sourceName, ReceivedAt: o.ReceivedAt, Time: o.Time,
		Status: o.Status, Code: o.Code, Field: o.Field, Message: o.Message, Warnings: o.Warnings, Size: o.Size,
	}
}

// payload shows an item's bytes: as JSON where they are JSON, else as text.
func payload(raw []byte) (item json.RawMessage, text string) {
	if utf8.Valid(raw) && json.Valid(raw) {
		return json.RawMessage(raw), ""
	}
	return nil, strings.ToValidUTF8(string(raw), "\uFFFD")
}

// sourceNames gives keys their names. It is used by one goroutine.
type sourceNames struct {
	directory *workspace.Directory
	ws        weir.WorkspaceID
	now       func() time.Time

	names map[weir.SourceID]string
	asked time.Time
}

// of is the name of a source, or "". A key that was made since the names were
// read is looked up, but not more often than every few seconds: what cannot be
// named must not cost a read per row.
func (n *sourceNames) of(ctx context.Context, id weir.SourceID) string {
	if name, ok := n.names[id]; ok || id == "" {
		return name
	}
	if now := n.now(); n.names == nil || now.Sub(n.asked) > 5*time.Second {
		n.asked = now
		keys, err := n.directory.Keys(ctx, n.ws)
		if n.names == nil {
			n.names = map[weir.SourceID]string{}
		}
		if err != nil {
			return "" // rows without the name are better than none
		}
		for _, k := range keys {
			n.names[k.ID] = k.Name
		}
	}
	return n.names[id]
}

// cursor is the last row of a page, by which the next one is found.
type cursor struct {
	at       weir.Micros
	position weir.Position
}

func (c cursor) String() string { return fmt.Sprintf("%d-%d", c.at, c.position) }

func parseCursor(s string) (cursor, error) {
	at, position, found := strings.Cut(s, "-")
	a, err1 := strconv.ParseInt(at, 10, 64)
	p, err2 := strconv.ParseInt(position, 10, 64)
	if !found || err1 != nil || err2 != nil || p <= 0 {
		return cursor{}, newProblem(400, "invalid_field", "The cursor is not one that an earlier page gave as next.").in("cursor")
	}
	return cursor{weir.Micros(a), weir.Position(p)}, nil
}
