package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/attribution"
	"github.com/weirhq/weir/order"
	"github.com/weirhq/weir/state"
)

// conversionID names the conversion that an item is.
func conversionID(key state.ItemKey) string { return string(key.Kind) + ":" + key.ID }

// converts reports whether an item is a conversion.
func converts(rules *Rules, kind weir.Kind, t *truth) bool {
	if kind == weir.KindOrder {
		return true
	}
	return t.name != "" && slices.ContainsFunc(rules.Goals, func(g order.Goal) bool { return g.Event == t.name })
}

// attribute credits the conversions of the persons of whom the batch changes a
// conversion, a touchpoint, or who they are.
func (p *Pipeline) attribute(ctx context.Context, b *Batch) error {
	touched := map[*person]bool{}
	for _, k := range b.order {
		if k.now != nil {
			b.convert(k, touched)
		}
	}
	b.discover(touched)
	told := b.told()
	var circles []*circle
	for _, c := range b.circles() {
		if !slices.ContainsFunc(c.members, func(i *person) bool { return i.Converts }) {
			continue
		}
		c.concerned = c.changed || b.again || len(b.review) > 0 || slices.ContainsFunc(c.members, func(i *person) bool {
			return touched[i] || told[i.numbered()]
		})
		if c.concerned || c.visible(b.again) {
			circles = append(circles, c) // the totals are among the traits
		}
	}
	if len(circles) == 0 {
		return nil
	}
	if err := b.loadConversions(ctx, circles); err != nil {
		return err
	}
	if err := b.loadTouchpoints(ctx, circles); err != nil {
		return err
	}
	for _, c := range circles {
		if c.concerned {
			b.attributeTo(c)
		}
	}
	return nil
}

// told are the owners of visits that are not what attribution went by before.
func (b *Batch) told() map[numbered]bool {
	told := map[numbered]bool{}
	for _, v := range b.visits.byKey {
		if v.Origin != weir.Attended && v.moved() {
			told[numbered{v.Workspace, v.Owner}] = true
			if v.loaded != nil {
				told[numbered{v.Workspace, v.loaded.owner}] = true
			}
		}
	}
	for _, v := range b.visits.gone {
		if v.loaded != nil {
			told[numbered{v.Workspace, v.loaded.owner}] = true
		}
	}
	return told
}

// convert makes or unmakes the conversion that an item is.
func (b *Batch) convert(k *known, touched map[*person]bool) {
	rules := b.rules[k.key.Workspace]
	if len(b.conversions) == 0 && !converts(rules, k.key.Kind, k.now) {
		return // as most items
	}
	id := k.at(conversionID(k.key))
	c := b.conversions[id]
	if c == nil && !converts(rules, k.key.Kind, k.now) {
		return
	}
	i := b.touched[k.at(k.now.user)]
	made, ok := order.FromItem(k.key.Kind, k.now.name, ownFields(k.key.Kind, k.now.properties), k.now.at, rules.Goals, rules.Rates)
	if c != nil {
		if before := b.touched[k.at(c.User)]; before != nil {
			touched[before], before.visible = true, true
		}
	}
	if !ok {
		if c != nil {
			c.removed = true
		}
		return
	}
	b.keep(id, made, i, touched)
}

// keep makes a conversion somebody's.
func (b *Batch) keep(id state.Key, made weir.Conversion, i *person, touched map[*person]bool) {
	made.Workspace, made.ID, made.User, made.Owner = id.Workspace, id.ID, i.ID, i.Number
	c := b.conversions[id]
	if c == nil {
		c = &conversion{}
		b.conversions[id] = c
	} else {
		made.Touches = c.Touches
	}
	c.Conversion, c.changed, c.removed = &made, true, false
	touched[i] = true
	if !i.Converts {
		i.Converts, i.changed = true, true
	}
	i.visible = true // its totals
}

// ownFields are an item's own, under the names that it has for them.
func ownFields(kind weir.Kind, properties []weir.Property) []weir.Property {
	var own []weir.Property
	for _, p := range properties {
		switch {
		case p.Value.Type == weir.Null:
		case kind == weir.KindOrder && p.Name == valueColumn:
			own = append(own, weir.Property{Name: "total_price", Value: p.Value})
		case !strings.HasPrefix(p.Name, "$"):
			own = append(own, p)
		}
	}
	slices.SortFunc(own, func(a, b weir.Property) int { return strings.Compare(a.Name, b.Name) })
	return own
}

// loadConversions takes in all conversions of some persons.
func (b *Batch) loadConversions(ctx context.Context, circles []*circle) error {
	var spans []state.Span
	for _, c := range circles {
		for _, i := range c.members {
			spans = append(spans, state.Span{Workspace: c.ws, Identity: i.Number})
		}
	}
	loaded, err := b.tx.ConversionsOf(ctx, spans)
	if err != nil {
		return fmt.Errorf("load conversions of %d users: %w", len(spans), err)
	}
	for _, c := range loaded {
		key := state.Key{Workspace: c.Workspace, ID: c.ID}
		if b.conversions[key] == nil {
			b.conversions[key] = &conversion{Conversion: c}
		}
	}
	if len(b.review) > 0 {
		b.reprice()
	}
	byOwner := map[numbered][]*conversion{}
	for _, c := range b.conversions {
		if !c.removed {
			at := numbered{c.Workspace, c.Owner}
			byOwner[at] = append(byOwner[at], c)
		}
	}
	for _, c := range circles {
		for _, i := range c.members {
			c.conversions = append(c.conversions, byOwner[i.numbered()]...)
		}
	}
	return nil
}

// loadTouchpoints takes in the sessions that may have led to the conversions of
// those who are concerned.
func (b *Batch) loadTouchpoints(ctx context.Context, circles []*circle) error {
	var spans []state.Span
	for _, c := range circles {
		if !c.concerned || len(c.conversions) == 0 {
			continue
		}
		var when stretch
		for _, conv := range c.conversions {
			when.reach(conv.At)
		}
		lookback := b.rules[c.ws].Attribution.Window()
		for _, i := range c.members {
			spans = append(spans, state.Span{Workspace: c.ws, Identity: i.Number, From: when.from - lookback, To: when.to})
		}
	}
	return b.load(ctx, spans)
}

// attributeTo credits the conversions of one person.
func (b *Batch) attributeTo(c *circle) {
	if len(c.conversions) == 0 {
		return
	}
	rules := b.rules[c.ws]
	sessions := b.visits.ofCircle(c, func(s *weir.Session) bool { return s.Origin != weir.Attended })
	list := make([]*weir.Conversion, len(c.conversions))
	for n, conv := range c.conversions {
		list[n] = conv.Conversion
	}
	changed := map[*weir.Conversion]bool{}
	for _, conv := range attribution.Attribute(list, sessions, rules.Channels, rules.Attribution) {
		changed[conv] = true
	}
	for _, conv := range c.conversions {
		conv.changed = conv.changed || changed[conv.Conversion]
	}
}
