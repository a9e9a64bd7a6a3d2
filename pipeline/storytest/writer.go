package storytest

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/weirhq/weir"
)

// object is a JSON object; its members are written sorted by name.
type object map[string]any

// writer makes the JSON of one item.
type writer struct {
	visit *visit
	beat  *beat
	at    weir.Micros // when it happened, by the sender's clock
	skew  weir.Micros // how far that is ahead
}

// item is the item's JSON, and the ids of the edges that it speaks of, refused
// ones included.
func (w writer) item() (raw string, edges []string) {
	b := w.beat
	switch b.what {
	case "user_alias":
		return w.alias()
	case "merge":
		return w.merge()
	case "retract":
		return "", nil // when the edges are known
	}
	kind := b.what
	if kind == "sign_in" {
		kind = string(weir.KindCustomEvent)
	}
	payload := object{"external_id": fmt.Sprintf("%c%d", kind[0], b.number), "created_at": w.at}
	if b.version >= 0 {
		payload["updated_at"] = Start + w.visit.start + weir.Micros(b.version)*minute
	}
	user := w.user()
	item := object{"kind": kind, kind: payload, "user": user}
	switch weir.Kind(kind) {
	case weir.KindUser:
		user["created_at"] = w.at
		user["updated_at"] = payload["updated_at"]
		w.traits(user)
	case weir.KindDevice:
		w.device(payload)
	case weir.KindSession:
		w.session(payload)
		payload["external_id"] = fmt.Sprintf("s%d", b.number%4)
	default:
		w.fields(kind, payload)
	}
	if b.session >= 0 && kind != string(weir.KindSession) && kind != string(weir.KindUser) {
		s := object{"external_id": fmt.Sprintf("s%d", b.session)}
		w.session(s)
		item["session"] = s
	}
	if b.fields.device && kind != string(weir.KindDevice) {
		d := object{"external_id": fmt.Sprintf("d%d", w.visit.device)}
		w.device(d)
		item["device"] = d
	}
	if b.what == "sign_in" {
		user["is_authenticated"] = true
	}
	if anonymousID, ok := user["anonymous_id"].(string); ok {
		id := payload["external_id"]
		if kind == string(weir.KindUser) {
			id = user["external_id"]
		}
		edge := weir.Edge{From: anonymousID, To: user["external_id"].(string), Item: fmt.Sprintf("%s:%s", kind, id), Rule: weir.RuleItem}
		edges = append(edges, edge.ID())
	}
	if b.fields.unknown {
		payload["favourite"] = b.value
		item["weather"] = "fine"
	}
	return w.spoil(item, payload), edges
}

// user is who did it: the visit's user, somebody else on the same device, or at a
// sign-in somebody known who was anonymous before.
func (w writer) user() object {
	b := w.beat
	id := w.visit.user
	if b.another != "" {
		id = b.another
	}
	user := object{"external_id": id}
	if b.what == "sign_in" {
		user["external_id"], user["anonymous_id"] = b.other, id
	}
	switch {
	case b.signed == yes || b.signed == unsaid && strings.HasPrefix(id, "u"):
		user["is_authenticated"] = true
	case b.signed == no:
		user["is_authenticated"] = false
	}
	if b.fields.created {
		user["created_at"] = w.at - weir.Micros(b.value)*minute
	}
	if b.fields.user {
		w.traits(user)
		user["updated_at"] = Start + weir.Micros(b.value)*minute
	}
	return user
}

func (w writer) traits(user object) {
	b := w.beat
	user["traits"] = object{"plan": fmt.Sprintf("p%d", b.value%3), "seats": b.value}
	user["city"] = []string{"Paris", "Lyon"}[b.value%2]
	if b.value%3 == 0 {
		user[KeyField] = []string{"shared@example.com", " Shared@Example.com ", "other@example.com"}[b.number%3]
	}
	if b.fields.null {
		user["city"] = nil
	}
}

func (w writer) device(d object) {
	d["user_agent"] = []string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
	}[w.visit.device%2]
	d["language"] = []string{"fr-FR", "en-GB"}[w.beat.value%2]
}

func (w writer) session(s object) {
	b := w.beat
	s["created_at"] = w.at - weir.Micros(b.value%3)*minute
	if b.version > 0 {
		s["updated_at"] = w.at + weir.Micros(b.version)*minute
	}
	s["device_external_id"] = fmt.Sprintf("d%d", w.visit.device)
	s["duration"] = b.value * 60
	if b.fields.source {
		w.campaign(s)
		s["landing_page"] = "https://shop.example/?p=" + fmt.Sprint(b.value)
	}
	if b.fields.null {
		s["referrer"] = nil
	}
}

func (w writer) campaign(o object) {
	switch w.beat.value {
	case 0:
		o["utm_source"], o["utm_medium"] = "google", "cpc"
	case 1:
		o["utm_source"], o["utm_medium"], o["utm_campaign"] = "newsletter", "email", "spring"
	case 2:
		o["utm_id"], o["utm_id_from"] = "abc", "gclid"
	case 3:
		o["utm_source"], o["utm_medium"] = "direct", "none"
	case 4:
		o["referrer"] = "https://www.bing.com/"
	default:
		o["referrer"] = "https://blog.example/post"
	}
}

// fields are the payload's own.
func (w writer) fields(kind string, p object) {
	b := w.beat
	switch weir.Kind(kind) {
	case weir.KindPageview:
		p["page_id"] = fmt.Sprintf("https://shop.example/%d", b.value)
		if b.value%2 == 0 {
			p["title"] = []string{"Home", "Shoes", "Basket"}[b.value/2]
		}
		if b.fields.source {
			p["referrer"] = "https://www.google.com/"
		}
		if b.fields.null {
			p["title"] = nil
		}
	case weir.KindCustomEvent:
		p["label"] = []string{Goal, "Search", "Sign up"}[b.value%3]
		p["properties"] = object{GoalValue: float64(b.number) * 12.5, "n": b.value, "list": []any{b.value, "x"}}
		if b.fields.noninteractive {
			p["non_interactive"] = true
		}
		if b.value == 3 {
			p["properties"].(object)[GoalCurrency] = Foreign
		}
	case weir.KindOrder, weir.KindCart:
		w.purchase(p)
		if weir.Kind(kind) == weir.KindOrder {
			switch {
			case b.fields.cancelled:
				p["cancelled_at"], p["cancel_reason"] = w.at+hour, "changed my mind"
			case b.fields.null:
				p["cancelled_at"] = nil
			}
		} else {
			p["status"] = []string{"open", "abandoned"}[b.value%2]
		}
	case weir.KindPostview:
		w.campaign(p)
	case weir.KindMessage:
		p["channel"], p["status"] = "email", []string{"sent", "opened"}[b.value%2]
	case weir.KindGroup:
		p["group_type"], p["traits"] = "company", object{"size": b.value}
	case weir.KindSubscriptionList:
		p["subscription_list_id"], p["status"] = "news", []string{"active", "paused"}[b.value%2]
	default: // of an app
		p["stage"] = b.value
	}
}

func (w writer) purchase(p object) {
	b := w.beat
	if b.value < 5 {
		p["total_price"] = 1000 * b.value
	}
	if currency := []string{"EUR", "", Foreign, "usd", "XTS", ""}[(b.value+b.number)%6]; currency != "" {
		p["currency"] = currency
	}
	var lines []object
	for i := range b.value % 3 {
		lines = append(lines, object{
			"external_id": fmt.Sprint("l", i), "product_external_id": fmt.Sprint("shoe", i), "name": "Shoe", "price": 499 + i, "quantity": i + 1,
		})
	}
	if lines != nil {
		p["items"] = lines
	}
	p["discount_codes"] = []string{"SPRING"}
}

// alias joins the visit's user to another. It may be without an id and a time of
// its own, as its senders are used to.
func (w writer) alias() (raw string, edges []string) {
	b := w.beat
	from := w.visit.user
	if b.another != "" {
		from = b.another
	}
	alias := object{"from_user_external_id": from, "to_user_external_id": b.other}
	id := from + " " + b.other
	if !b.fields.timeless {
		id = fmt.Sprintf("l%d", b.number)
		alias["external_id"], alias["created_at"] = id, w.at
		if b.version >= 0 {
			alias["updated_at"] = Start + w.visit.start + weir.Micros(b.version)*minute
		}
	}
	if b.signed != no {
		alias["to_user_is_authenticated"] = strings.HasPrefix(b.other, "u")
	}
	if b.fields.created {
		alias["to_user_created_at"] = w.at - weir.Micros(b.value)*day
	}
	edge := weir.Edge{From: from, To: b.other, Item: "user_alias:" + id, Rule: weir.RuleAlias}
	return w.spoil(object{"kind": "user_alias", "user_alias": alias}, alias), []string{edge.ID()}
}

func (w writer) merge() (raw string, edges []string) {
	b := w.beat
	return merge(fmt.Sprintf("m%d", b.number), w.visit.user, b.other, w.at)
}

func merge(id, from, to string, at weir.Micros) (raw string, edges []string) {
	edge := weir.Edge{From: from, To: to, Item: string(weir.KindMerge) + ":" + id, Rule: weir.RuleMerge}
	return text(object{"kind": weir.KindMerge, string(weir.KindMerge): object{
		"external_id": id, "created_at": at, "from_user_external_id": from, "to_user_external_id": to,
	}}), []string{edge.ID()}
}

func retract(id, edge string, at weir.Micros) string {
	return text(object{"kind": weir.KindRetract, string(weir.KindRetract): object{"external_id": id, "created_at": at, "edge": edge}})
}

// spoil makes some items invalid, or nearly so.
func (w writer) spoil(item, payload object) string {
	switch w.beat.spoilt {
	case 1:
		delete(payload, "external_id")
	case 2:
		payload["created_at"] = "yesterday"
	case 3:
		payload["created_at"] = "1970-01-01T00:00:00Z"
	case 4:
		item["kind"] = "surprise"
	case 5:
		return strings.TrimSuffix(text(item), "}")
	case 6: // valid: only this value is set aside
		item["session"] = object{"external_id": "", "duration": "long"}
	}
	return text(item)
}

// text is the JSON of an object. It has no value that JSON does not know.
func text(o object) string {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(b)
}
