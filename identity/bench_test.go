package identity

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/weirhq/weir"
)

// crowd is one known user and the anonymous ids that follow them, all of one
// person.
func crowd(ids int) world {
	w := world{}.known("ann")
	for n := range ids - 1 {
		id := fmt.Sprint("a", n)
		w.anonymous(id)
		w.says(weir.RuleAlias, id, "ann", weir.Micros(n+1), "user_alias:"+id)
	}
	for _, i := range w {
		i.Person = 1
	}
	return w
}

// couples are pairs of an anonymous id and a known user, in numbers by pair; the
// ids do not follow yet.
func couples(pairs int) world {
	w := world{}
	for n := range pairs {
		w.anonymous(fmt.Sprint("a", n)).known(fmt.Sprint("u", n))
	}
	for _, i := range w {
		i.Person = i.Number
	}
	return w
}

func (w world) marry(pairs int) {
	for n := range pairs {
		id := fmt.Sprint("a", n)
		w.says(weir.RuleAlias, id, fmt.Sprint("u", n), weir.Micros(n+1), "user_alias:"+id)
	}
}

func BenchmarkResolve(b *testing.B) {
	pairs := couples(5000)
	pairs.marry(5000)
	for name, w := range map[string]world{"person of 1000": crowd(MaxMembers), "5000 pairs": pairs} {
		b.Run(name, func(b *testing.B) {
			set := slices.Collect(maps.Values(w))
			b.ReportAllocs()
			for b.Loop() {
				Resolve(set)
			}
		})
	}
}

func BenchmarkMissing(b *testing.B) {
	run := func(name string, now, before world) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if missing, affected := Missing(now, before); len(missing) > 0 || len(affected) == 0 {
					b.Fatal("not everybody is known")
				}
			}
		})
	}
	one := crowd(MaxMembers - 1)
	before := Before(one)
	one.anonymous("new")
	one.says(weir.RuleAlias, "new", "ann", 1, "user_alias:new")
	run("one more of 1000", one, before)

	full := crowd(MaxMembers)
	before = Before(full)
	Retract(full["a7"], full["a7"].Edges[0].ID())
	run("one less of 1000", full, before)

	pairs := couples(5000)
	before = Before(pairs)
	pairs.marry(5000)
	run("5000 pairs", pairs, before)
}
