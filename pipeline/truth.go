package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// truth is what an item is: what all its deliveries say together, whatever their
// order and number. Field by field the newest version holds (SEMANTICS §2).
type truth struct {
	at      weir.Micros
	user    string
	session string      // as sent; "" if none was named
	lead    weir.Micros // how long before the item the session had begun
	client  weir.Client
	name    string // the event's; "" for an item that is none
	// properties are the event row's, sorted by name, cleared ones included.
	properties []weir.Property
}

// known is an item of the batch: what it was, and what it is now.
type known struct {
	key    state.ItemKey
	before state.Entry // all that was applied before the batch
	entry  state.Entry // with the batch
	was    *truth      // nil if it was never seen, or has not changed
	now    *truth      // nil if nothing of the batch is to be applied
	stored bool        // entry is to be remembered
	// deliveries of the batch, in order.
	deliveries []*Entry
	doc        weir.Fields // of versions, once there are several
	merged     bool        // doc holds what there is
}

// Names in a document of versions that no property can have.
const (
	docUser    = "\x00user"
	docSession = "\x00session"
	docLead    = "\x00lead"
	docClient  = "\x00client"
	docName    = "\x00name"
)

// truthOf reads the truth off one delivery.
func (p *Pipeline) truthOf(i *weir.Item, client weir.Client, at weir.Micros) *truth {
	t := &truth{at: at, user: userOf(i), client: client, name: eventName(i)}
	if i.Session != nil {
		t.session = i.Session.ID
		if began := i.Session.CreatedAt; began != 0 {
			t.lead = max(i.CreatedAt-began, 0)
		}
	}
	t.properties = p.properties(i)
	return t
}

// fields are a truth as fields of a document of versions.
func (t *truth) fields() []weir.Property {
	fields := make([]weir.Property, 0, len(t.properties)+5)
	add := func(name string, v weir.Value) { fields = append(fields, weir.Property{Name: name, Value: v}) }
	add(docUser, weir.Text(t.user))
	add(docClient, weir.Num(float64(t.client)))
	if t.session != "" {
		add(docSession, weir.Text(t.session))
		add(docLead, weir.Num(float64(t.lead)))
	}
	if t.name != "" {
		add(docName, weir.Text(t.name))
	}
	return append(fields, t.properties...)
}

// truthIn reads the truth off a document of versions.
func truthIn(doc weir.Fields, at weir.Micros) *truth {
	text := func(name string) string { v, _ := doc.Get(name); return v.Str }
	number := func(name string) float64 { v, _ := doc.Get(name); return v.Num }
	return &truth{
		at: at, user: text(docUser), session: text(docSession), lead: weir.Micros(number(docLead)),
		client: weir.Client(number(docClient)), name: text(docName),
		properties: slices.DeleteFunc(doc.Properties(), func(p weir.Property) bool { return strings.HasPrefix(p.Name, "\x00") }),
	}
}

// said is a content as one version among others. Of two contents of one version
// the one with the greater hash counts, in all its fields.
func (t *truth) said(version weir.Micros, hash uint64) (weir.Stamp, []weir.Property) {
	return weir.Stamp{At: version, Item: fmt.Sprintf("%016x", hash)}, t.fields()
}

// fold takes a delivery into what is known of its item, and says what its
// receipt says.
func (p *Pipeline) fold(k *known, e *Entry, old func(*known) (*truth, error)) (weir.Status, error) {
	version, at := e.Item.Version(), e.Outcome.Time
	before := k.entry
	now := state.Entry{Position: e.Position, Version: version, Hash: e.hash, At: at}
	switch {
	case before.Position == 0:
		k.entry, k.now, k.stored = now, p.truthOf(e.Item, e.Record.Client, at), true
		return weir.Stored, nil
	case version == before.Version && e.hash == before.Hash:
		status := weir.Duplicate
		if before.Position == e.Position {
			status = weir.Stored // this very delivery, applied before a crash
		}
		if at < before.At || before.Position == e.Position && k.now == nil {
			return status, p.retell(k, e, at)
		}
		return status, nil
	}
	return p.merge(k, e, now, old)
}

// retell is another delivery of what is known already: only its time may count.
func (p *Pipeline) retell(k *known, e *Entry, at weir.Micros) error {
	tell := func(at weir.Micros) (*truth, error) {
		if k.merged || k.entry.Doc != nil {
			if err := k.read(); err != nil {
				return nil, err
			}
			return truthIn(k.doc, at), nil
		}
		return p.truthOf(e.Item, e.Record.Client, at), nil
	}
	var err error
	if k.was == nil && k.before.Position != 0 {
		if k.was, err = tell(k.before.At); err != nil {
			return err
		}
	}
	if at < k.entry.At {
		k.entry.At, k.entry.Position, k.stored = at, e.Position, true
	}
	k.now, err = tell(k.entry.At)
	return err
}

// read takes what is known of an item's versions off its entry.
func (k *known) read() error {
	if k.merged {
		return nil
	}
	if err := k.doc.UnmarshalBinary(k.entry.Doc); err != nil {
		return fmt.Errorf("read versions of %s %s: %w", k.key.Kind, k.key.ID, err)
	}
	k.merged = true
	return nil
}

// merge takes another content of an item in, older or newer.
func (p *Pipeline) merge(k *known, e *Entry, now state.Entry, old func(*known) (*truth, error)) (weir.Status, error) {
	before := k.entry
	if !k.merged {
		if before.Doc != nil {
			if err := k.read(); err != nil {
				return "", err
			}
		} else {
			first, err := old(k)
			if err != nil {
				return "", err
			}
			stamp, fields := first.said(before.Version, before.Hash)
			k.doc.Set(stamp, fields...)
			k.merged = true
		}
	}
	if k.was == nil && k.before.Position != 0 {
		k.was = truthIn(k.doc, k.before.At)
	}
	stamp, fields := p.truthOf(e.Item, e.Record.Client, now.At).said(now.Version, now.Hash)
	written, changed := k.doc.Write(stamp, fields...)
	status := weir.Conflict
	switch {
	case now.Version > before.Version:
		status = weir.Stored
		k.entry.Version, k.entry.Hash, k.entry.At = now.Version, now.Hash, now.At
	case now.Version < before.Version:
		status = weir.Superseded
	case now.Hash > before.Hash: // as good as any rule that is the same everywhere
		k.entry.Hash, k.entry.At = now.Hash, now.At
	}
	if changed || k.entry.At != before.At {
		k.entry.Position = now.Position
	}
	k.stored = k.stored || written || k.entry.Version != before.Version || k.entry.At != before.At || k.entry.Hash != before.Hash || before.Doc == nil
	k.now = truthIn(k.doc, k.entry.At)
	return status, nil
}

// contentHash is of the bytes as sent: the same item sent again by the same
// program has the same.
func contentHash(raw []byte) uint64 { return xxhash.Sum64(raw) }

// pointOf names an item among the points of a session.
func pointOf(key state.ItemKey) uint64 {
	var d xxhash.Digest
	d.Reset()
	_, _ = d.WriteString(string(key.Kind))
	_, _ = d.Write([]byte{0})
	_, _ = d.WriteString(key.ID)
	return d.Sum64()
}

func itemKey(e *Entry) state.ItemKey {
	return state.ItemKey{Workspace: e.Record.Workspace, Kind: e.Item.Kind, ID: e.Item.ID}
}
