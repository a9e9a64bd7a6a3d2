package pipeline

import (
	"github.com/cespare/xxhash/v2"

	"github.com/weirhq/weir"
	"github.com/weirhq/weir/state"
)

// Judge compares a delivery with what was applied of the same item. It says
// what the receipt says and whether the delivery is applied: one that is new or
// newer, or that was applied itself before a crash.
func Judge(before, now state.Entry) (status weir.Status, applies bool) {
	switch {
	case before.Position == 0, before.Position == now.Position:
		return weir.Stored, true
	case now.Version > before.Version:
		return weir.Stored, true
	case now.Version < before.Version:
		return weir.Superseded, false
	case now.Hash == before.Hash:
		return weir.Duplicate, false
	case now.Hash > before.Hash: // as good as any rule that is the same everywhere
		return weir.Stored, true
	}
	return weir.Conflict, false
}

// contentHash is of the bytes as sent: the same item sent again by the same
// program has the same.
func contentHash(raw []byte) uint64 { return xxhash.Sum64(raw) }

func itemKey(e *Entry) state.ItemKey {
	return state.ItemKey{Workspace: e.Record.Workspace, Kind: e.Item.Kind, ID: e.Item.ID}
}
