package attribution

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/weirhq/weir"
)

// Mapping is a workspace's rules for naming channels: the first rule that
// matches a Source names its channel, Default names the rest. A mapping whose
// Rules are nil stands for the one that Weir ships, see Default.
type Mapping struct {
	Rules   []Rule `json:"rules"`
	Default string `json:"default,omitempty"` // "Unassigned" if empty
}

// Rule names a channel. It matches if all its conditions do; one without
// conditions matches everything.
type Rule struct {
	Channel string      `json:"channel"` // 1 to 100 bytes
	All     []Condition `json:"all"`
}

// Condition compares one field of a Source. Nothing minds upper and lower case, nor
// space around texts but in regular expressions. A field that is empty is absent:
// neq holds for it, as SEMANTICS §8 says.
type Condition struct {
	Field Field `json:"field"`
	Op    Op    `json:"op"`
	Value any   `json:"value,omitempty"` // a text; a list of texts for in; nothing for is_set and is_not_set
}

// Field names what a condition looks at.
type Field string

// The fields of a Source, and what is derived from them.
const (
	FieldSource       Field = "source"
	FieldMedium       Field = "medium"
	FieldCampaign     Field = "campaign"
	FieldContent      Field = "content"
	FieldTerm         Field = "term"
	FieldClickID      Field = "click_id" // the parameter's name: "gclid"
	FieldReferrer     Field = "referrer"
	FieldReferrerHost Field = "referrer_host" // without port and "www."
	FieldLandingPage  Field = "landing_page"
	FieldType         Field = "type" // "visit" or "impression"
	// FieldSite is what the source, or without one the referrer, is known to be:
	// one of Sites, or nothing. The lists are Weir's own and grow with it.
	FieldSite Field = "site"
)

// Op is a comparison.
type Op string

// The comparisons.
const (
	Equal      Op = "eq"
	NotEqual   Op = "neq"
	In         Op = "in"
	Contains   Op = "contains"
	StartsWith Op = "starts_with"
	Regex      Op = "regex" // RE2
	IsSet      Op = "is_set"
	IsNotSet   Op = "is_not_set"
)

// Bounds of a mapping: more is a mistake, and every visit is compared with it.
const (
	maxRules      = 500
	maxConditions = 20 // of a rule
	maxValues     = 1000
	maxText       = 500 // bytes
	maxChannel    = 100 // bytes
)

const unassigned = "Unassigned"

// Fields lists what conditions may look at.
func Fields() []Field {
	return []Field{FieldSource, FieldMedium, FieldCampaign, FieldContent, FieldTerm, FieldClickID, FieldReferrer, FieldReferrerHost, FieldLandingPage, FieldType, FieldSite}
}

// Ops lists the comparisons.
func Ops() []Op {
	return []Op{Equal, NotEqual, In, Contains, StartsWith, Regex, IsSet, IsNotSet}
}

// Validate checks a mapping as Compile does. The error is a *weir.Error whose
// Field names the rule and the condition, counted from 0:
// "rules[2].all[0].value".
func (m Mapping) Validate() error {
	_, err := m.Compile()
	return err
}

// Compile makes a mapping ready for use. The error is as Validate's. The mapping
// is not kept.
func (m Mapping) Compile() (*Channels, error) {
	if m.Rules == nil {
		m.Rules = Default().Rules
	}
	c := &Channels{rest: strings.TrimSpace(m.Default)}
	if c.rest == "" {
		c.rest = unassigned
	}
	if len(c.rest) > maxChannel {
		return nil, invalid("default", "A channel's name has at most %d bytes.", maxChannel)
	}
	if len(m.Rules) > maxRules {
		return nil, invalid("rules", "There are %d rules; at most %d are taken.", len(m.Rules), maxRules)
	}
	known := map[string]int{} // equal conditions are one test
	for i, r := range m.Rules {
		at := fmt.Sprintf("rules[%d]", i)
		name := strings.TrimSpace(r.Channel)
		if name == "" || len(name) > maxChannel {
			return nil, invalid(at+".channel", "Name the channel, in at most %d bytes.", maxChannel)
		}
		if len(r.All) > maxConditions {
			return nil, invalid(at+".all", "The rule has %d conditions; at most %d are taken.", len(r.All), maxConditions)
		}
		compiled := rule{channel: name}
		for j, condition := range r.All {
			t, key, err := condition.compile(fmt.Sprintf("%s.all[%d]", at, j))
			if err != nil {
				return nil, err
			}
			n, ok := known[key]
			if !ok {
				n = len(c.tests)
				known[key] = n
				c.tests = append(c.tests, t)
			}
			compiled.tests = append(compiled.tests, n)
		}
		c.rules = append(c.rules, compiled)
	}
	return c, nil
}

// compile makes a test of a condition, and a key that equal conditions share.
func (c Condition) compile(at string) (test, string, error) {
	slot := slices.Index(Fields(), c.Field)
	if slot < 0 {
		return test{}, "", invalid(at+".field", "There is no field %q; known are %s.", c.Field, list(Fields()))
	}
	if !slices.Contains(Ops(), c.Op) {
		return test{}, "", invalid(at+".op", "There is no comparison %q; known are %s.", c.Op, list(Ops()))
	}
	texts, err := c.texts(at + ".value")
	if err != nil {
		return test{}, "", err
	}
	match, err := matcher(c.Op, texts, at+".value")
	if err != nil {
		return test{}, "", err
	}
	key := fmt.Sprintf("%s %s %q", c.Field, c.Op, texts)
	return test{c.Field, slot, match}, key, nil
}

// texts are the value's texts as the comparison needs them: one, a list, or none.
func (c Condition) texts(at string) ([]string, error) {
	var texts []string
	isList := true
	switch v := c.Value.(type) {
	case nil:
		isList = false
	case string:
		texts, isList = []string{v}, false
	case []string:
		texts = v
	case []any:
		for _, e := range v {
			text, ok := e.(string)
			if !ok {
				return nil, invalid(at, "The list must hold texts only.")
			}
			texts = append(texts, text)
		}
	default:
		return nil, invalid(at, "The value must be a text or a list of texts.")
	}
	switch {
	case c.Op == IsSet || c.Op == IsNotSet:
		if c.Value != nil {
			return nil, invalid(at, "%s takes no value.", c.Op)
		}
		return nil, nil
	case c.Op == In:
		if !isList || len(texts) == 0 || len(texts) > maxValues {
			return nil, invalid(at, "in takes a list of 1 to %d texts.", maxValues)
		}
	case len(texts) != 1 || isList:
		return nil, invalid(at, "%s takes one text.", c.Op)
	}
	for _, text := range texts {
		if strings.TrimSpace(text) == "" || len(text) > maxText {
			return nil, invalid(at, "A text has 1 to %d bytes that are not all spaces; to ask whether a field is empty, use is_not_set.", maxText)
		}
	}
	return texts, nil
}

// matcher makes the comparison with a folded text.
func matcher(op Op, texts []string, at string) (func(string) bool, error) {
	folded := make([]string, len(texts))
	for i, text := range texts {
		folded[i] = fold(text)
	}
	switch op {
	case Equal:
		return func(s string) bool { return s == folded[0] }, nil
	case NotEqual:
		return func(s string) bool { return s != folded[0] }, nil
	case In:
		set := make(map[string]bool, len(folded))
		for _, text := range folded {
			set[text] = true
		}
		return func(s string) bool { return set[s] }, nil
	case Contains:
		return func(s string) bool { return strings.Contains(s, folded[0]) }, nil
	case StartsWith:
		return func(s string) bool { return strings.HasPrefix(s, folded[0]) }, nil
	case Regex:
		// First as it is, so that the error shows what was given.
		re, err := regexp.Compile(texts[0])
		if err == nil {
			re, err = regexp.Compile("(?i)" + texts[0])
		}
		if err != nil {
			return nil, invalid(at, "The value must be a regular expression in RE2's syntax: %s.", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
		return func(s string) bool { return s != "" && re.MatchString(s) }, nil
	case IsSet:
		return func(s string) bool { return s != "" }, nil
	}
	return func(s string) bool { return s == "" }, nil
}

// fold makes texts that differ only in case and in space around them equal.
func fold(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

func invalid(field, message string, args ...any) error {
	return &weir.Error{Code: "invalid_field", Field: field, Message: fmt.Sprintf(message, args...)}
}

func list[T ~string](names []T) string {
	var b strings.Builder
	for i, name := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(string(name))
	}
	return b.String()
}
