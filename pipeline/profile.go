package pipeline

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/identity"
	"github.com/weirhq/weir/item"
	"github.com/weirhq/weir/session"
)

// profile merges what the items say of their users and sessions, and makes the
// event rows.
func (p *Pipeline) profile(ctx context.Context, b *Batch) error {
	for _, e := range b.Entries {
		if e.Live() {
			describe(e)
			p.describeDevice(e)
			b.describeSession(e)
		}
	}
	for _, i := range b.touched {
		i.flush()
	}
	if err := p.visit(ctx, b); err != nil {
		return err
	}
	for _, k := range b.order {
		if k.now != nil && k.now.name != "" {
			b.row(k)
		}
	}
	for _, e := range b.Entries {
		if e.Live() {
			e.Outcome.Person = e.identity.Person
		}
	}
	return nil
}

// describe merges the item's user into its identity.
func describe(e *Entry) {
	if e.Item.Kind == weir.KindMerge || e.Item.Kind == weir.KindRetract {
		return // they speak of identities, and are nothing that a user did
	}
	i, at := e.identity, e.Outcome.Time
	if first := identity.Earliest(i.FirstSeen, at); first != i.FirstSeen || at > i.LastSeen {
		// The first time may say which identity stands for the person.
		i.visible = i.visible || first != i.FirstSeen
		i.FirstSeen, i.LastSeen, i.changed = first, max(i.LastSeen, at), true
	}
	if belongs := membership(e.Item); belongs != nil {
		i.hear(belongs, weir.Stamp{At: e.Item.Version(), Item: e.Item.ID})
	}
	user := e.Item.User
	if user == nil {
		return
	}
	i.created(user.CreatedAt)
	if e.Item.Kind == weir.KindUser {
		i.created(e.Item.CreatedAt)
	}
	i.hear(user.Fields, stamp(e, user))
}

// hear merges what is said of an identity, soon: most items say the same as the one
// before, and then the last of them says it all.
func (i *person) hear(fields []weir.Property, stamp weir.Stamp) {
	if i.heard.any && slices.Equal(i.heard.fields, fields) {
		if stamp.Compare(i.heard.stamp) > 0 {
			i.heard.stamp = stamp
		}
		return
	}
	i.flushTraits()
	i.heard = hearing{any: true, fields: fields, stamp: stamp}
}

// hearDevice does the same for a device.
func (p *Pipeline) hearDevice(i *person, part *weir.Part, stamp weir.Stamp, at weir.Micros) {
	d := &i.device
	if d.any && d.part.ID == part.ID && d.part.CreatedAt == part.CreatedAt && slices.Equal(d.part.Fields, part.Fields) {
		d.at = min(d.at, at)
		if stamp.Compare(d.stamp) > 0 {
			d.stamp = stamp
		}
		return
	}
	i.flushDevice()
	said := *part
	if agent, _ := valueOf(part.Fields, "user_agent"); agent.Type == weir.String {
		said.Fields = slices.Clone(part.Fields)
		for _, f := range p.devices.Read(agent.Str) {
			said.Fields = append(said.Fields, weir.Property{Name: strings.TrimPrefix(f.Name, "$"), Value: f.Value})
		}
	}
	i.device = hearing{any: true, part: part, said: &said, stamp: stamp, at: at}
}

// hearing is what an identity's items say alike.
type hearing struct {
	any    bool
	fields []weir.Property
	part   *weir.Part // of a device
	said   *weir.Part // the same, with what the user agent says
	stamp  weir.Stamp // the greatest
	at     weir.Micros
}

func (i *person) flush() {
	i.flushTraits()
	i.flushDevice()
}

func (i *person) flushTraits() {
	if !i.heard.any {
		return
	}
	written, changed := i.Traits.Write(i.heard.stamp, i.heard.fields...)
	i.changed, i.visible, i.said = i.changed || written, i.visible || changed, i.said || written
	i.heard = hearing{}
}

func (i *person) flushDevice() {
	if i.device.any && identity.Use(i.Identity, i.device.said, i.device.stamp, i.device.at) {
		i.changed = true
	}
	i.device = hearing{}
}

// membership is what a group or a subscription says of its user, as traits: the
// group's id is $group_<type> and its fields $group_<type>.<name>; the status of a
// subscription is $list_<list>.
func membership(i *weir.Item) (traits []weir.Property) {
	field := func(name string) weir.Value {
		v, _ := valueOf(i.Fields, name)
		return v
	}
	switch i.Kind {
	case weir.KindGroup:
		id := field("group_external_id")
		if id.Type == weir.Null {
			id = weir.Text(i.ID)
		}
		group := "$group_" + field("group_type").Str
		traits = append(traits, weir.Property{Name: group, Value: id})
		for _, f := range i.Fields {
			if f.Name != "group_type" && f.Name != "group_external_id" {
				traits = append(traits, weir.Property{Name: group + "." + f.Name, Value: f.Value})
			}
		}
	case weir.KindSubscriptionList:
		status := field("status")
		if status.Type == weir.Null {
			status = weir.Text("active")
		}
		traits = append(traits, weir.Property{Name: "$list_" + field("subscription_list_id").Str, Value: status})
	}
	return traits
}

// describeDevice merges what the item says of its device, and what the user agent
// says.
func (p *Pipeline) describeDevice(e *Entry) {
	part := e.Item.Device
	if part == nil || e.Item.Kind == weir.KindMerge || e.Item.Kind == weir.KindRetract {
		return
	}
	p.hearDevice(e.identity, part, stamp(e, part), e.Outcome.Time)
}

// describeSession merges what the item says of its session.
func (b *Batch) describeSession(e *Entry) {
	part := e.Item.Session
	if part == nil {
		return
	}
	v := b.visits.named(e.key(part.ID), weir.Sent, e.identity)
	if session.Say(v.Session, session.Said{Part: part, Stamp: stamp(e, part), User: e.user()}) {
		v.changed, v.told = true, true
	}
	if v.User == e.user() {
		b.visits.belong(v, e.identity)
	}
}

// stamp orders what an item says of a part of its context: by the part's own
// version, or else the item's.
func stamp(e *Entry, part *weir.Part) weir.Stamp {
	at := part.UpdatedAt
	if at == 0 {
		at = e.Item.Version()
	}
	return weir.Stamp{At: at, Item: e.Item.ID}
}

// row makes the event row of an item, if it stands at a delivery of the batch.
func (b *Batch) row(k *known) {
	for _, e := range k.deliveries {
		if e.Position != k.entry.Position {
			continue
		}
		i := b.touched[k.at(k.now.user)]
		e.Event = &weir.Event{
			Position: e.Position, Time: k.now.at, Name: k.now.name, Identity: i.Number, Person: i.Person,
			Properties: set(k.now.properties),
		}
		switch {
		case k.now.session != "":
			e.Event.Session = b.visits.byKey[k.at(k.now.session)].Number
		case k.key.Kind == weir.KindPostview:
			e.Event.Origin = weir.Impression
		case k.now.client == weir.ClientServer:
			e.Event.Origin = weir.Attended
			e.Event.Session = b.visits.holding(i, pointOf(k.key))
		default:
			e.Event.Origin = weir.Derived
			e.Event.Session = b.visits.holding(i, pointOf(k.key))
		}
		return
	}
}

// Tolerances of SEMANTICS §1.
const (
	ignoredSkew = 2 * time.Second
	aheadLimit  = 5 * time.Minute
)

// Correct moves a time by what the sender's clock is off, and clamps one that
// is still in the future. A skew under two seconds is the network's; one that
// leads to before 1971 is nonsense and not corrected.
func Correct(at, sent, received weir.Micros) (weir.Micros, *weir.Rejection) {
	if skew := received - sent; sent != 0 && (skew >= micros(ignoredSkew) || skew <= -micros(ignoredSkew)) && at+skew >= item.Earliest {
		at += skew
	}
	if at > received+micros(aheadLimit) {
		return received, &weir.Rejection{Code: "future_time", Field: "created_at", Message: "The time lies more than five minutes ahead; the time of receipt was taken instead."}
	}
	return at, nil
}

func micros(d time.Duration) weir.Micros { return weir.Micros(d / time.Microsecond) }
