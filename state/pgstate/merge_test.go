package pgstate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// Sixteen workers merge persons at random, a few of them again and again: none of them
// meets a deadlock, and the components are those of a union-find over the same pairs.
func TestManyMergeAtOnce(t *testing.T) {
	options := testOptions(t)
	options.MaxConns = 40
	s := open(t, options)
	const people, workers, rounds, each = 300, 16, 12, 4
	parent := make([]int, people)
	for n := range parent {
		parent[n] = n
	}
	var root func(int) int
	root = func(n int) int {
		if parent[n] != n {
			parent[n] = root(parent[n])
		}
		return parent[n]
	}
	var pairs [workers][rounds][][2]int
	r := rand.New(rand.NewPCG(16, 1))
	zipf := rand.NewZipf(r, 1.3, 4, people-1)
	for w := range pairs {
		for n := range pairs[w] {
			for range each {
				pair := [2]int{int(zipf.Uint64()), r.IntN(people)}
				pairs[w][n] = append(pairs[w][n], pair)
				parent[root(pair[0])] = root(pair[1])
			}
		}
	}
	var wait sync.WaitGroup
	for w := range pairs {
		wait.Go(func() {
			for _, batch := range pairs[w] {
				if err := mergeAll(s, batch); err != nil {
					t.Errorf("worker %d: %v", w, err)
					return
				}
			}
		})
	}
	wait.Wait()
	components, persons := map[int]uint32{}, map[uint32]int{}
	members := 0
	err := s.View().Scan(t.Context(), ws, func(i *weir.Identity) error {
		var n int
		if _, err := fmt.Sscanf(i.ID, "u%d", &n); err != nil {
			return err
		}
		of := root(n)
		if components[of] == 0 {
			components[of], persons[i.Person] = i.Person, of
		}
		if components[of] != i.Person || persons[i.Person] != of {
			t.Errorf("%s is of person %d, its component of %d", i.ID, i.Person, components[of])
		}
		list, err := s.View().PersonByNumber(t.Context(), ws, i.Person)
		if err != nil || !slices.ContainsFunc(list, func(m *weir.Identity) bool { return m.ID == i.ID }) {
			t.Errorf("%s is not among its person's identities: %v", i.ID, err)
		}
		members++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	touched := map[int]bool{}
	for w := range pairs {
		for _, batch := range pairs[w] {
			for _, pair := range batch {
				touched[pair[0]], touched[pair[1]] = true, true
			}
		}
	}
	if members != len(touched) {
		t.Errorf("%d identities are there, want %d", members, len(touched))
	}
}

// mergeAll joins the persons of pairs in one transaction, as a pipeline would.
func mergeAll(s *Store, pairs [][2]int) error {
	ctx := context.Background()
	var need state.Need
	for _, pair := range pairs {
		for _, n := range pair {
			need.Users = append(need.Users, users(fmt.Sprint("u", n))...)
		}
	}
	tx, err := s.Begin(ctx, need)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	known := tx.Snapshot().Identities
	var fresh []*weir.Identity
	for _, k := range sortedKeys(need.Users) {
		if known[k] == nil {
			known[k] = identity(k.ID, 0, 0)
			fresh = append(fresh, known[k])
		}
	}
	first, err := tx.Take(ctx, ws, state.IdentityNumber, len(fresh))
	if err != nil {
		return err
	}
	for n, i := range fresh {
		i.Number, i.Person = first+uint32(n), first+uint32(n)
	}
	for _, pair := range pairs {
		a, b := known[users(fmt.Sprint("u", pair[0]))[0]], known[users(fmt.Sprint("u", pair[1]))[0]]
		from, to := max(a.Person, b.Person), min(a.Person, b.Person)
		for _, i := range known {
			if i.Person == from {
				i.Person = to
			}
		}
	}
	var changes state.Changes
	for _, i := range known {
		changes.Identities = append(changes.Identities, i)
	}
	slices.SortFunc(changes.Identities, func(a, b *weir.Identity) int { return cmp.Compare(b.ID, a.ID) })
	if err := tx.Commit(ctx, changes); err != nil {
		return errors.Join(errors.New("commit"), err)
	}
	return nil
}
