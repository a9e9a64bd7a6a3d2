package identity

import (
	"cmp"
	"slices"

	"github.com/weirhq/weir"
)

// MaxDevices bounds the devices of an identity: the first seen are kept. Programs
// that pose as people have a new one each time.
const MaxDevices = 200

// Use merges what an item says of a device into an identity and reports whether the
// identity must be stored. Of the fields the last writer's hold, of the times the
// earliest.
func Use(i *weir.Identity, part *weir.Part, stamp weir.Stamp, at weir.Micros) (changed bool) {
	n, found := slices.BinarySearchFunc(i.Devices, part.ID, func(d weir.Device, id string) int { return cmp.Compare(d.ID, id) })
	if !found {
		if len(i.Devices) >= MaxDevices && !makeRoom(i, weir.Device{ID: part.ID, FirstSeen: at}) {
			return false
		}
		n, _ = slices.BinarySearchFunc(i.Devices, part.ID, func(d weir.Device, id string) int { return cmp.Compare(d.ID, id) })
		i.Devices = slices.Insert(i.Devices, n, weir.Device{ID: part.ID, FirstSeen: at})
		changed = true
	}
	d := &i.Devices[n]
	if first := Earliest(d.FirstSeen, at); first != d.FirstSeen {
		d.FirstSeen, changed = first, true
	}
	if created := Earliest(d.CreatedAt, part.CreatedAt); created != d.CreatedAt {
		d.CreatedAt, changed = created, true
	}
	written, _ := d.Fields.Write(stamp, part.Fields...)
	return changed || written
}

// makeRoom drops the device that was seen last, unless that is the new one.
func makeRoom(i *weir.Identity, fresh weir.Device) bool {
	last := slices.MaxFunc(i.Devices, compareSeen)
	if compareSeen(fresh, last) > 0 {
		return false
	}
	i.Devices = slices.DeleteFunc(i.Devices, func(d weir.Device) bool { return d.ID == last.ID })
	return true
}

func compareSeen(a, b weir.Device) int {
	return cmp.Or(cmp.Compare(a.FirstSeen, b.FirstSeen), cmp.Compare(a.ID, b.ID))
}

// Devices are those of a person: each once, with what all identities say of it,
// sorted by ID.
func Devices(members []*weir.Identity) []weir.Device {
	var out []weir.Device
	for _, m := range members {
		for _, d := range m.Devices {
			n, found := slices.BinarySearchFunc(out, d.ID, func(o weir.Device, id string) int { return cmp.Compare(o.ID, id) })
			if !found {
				d.Fields = d.Fields.Clone()
				out = slices.Insert(out, n, d)
				continue
			}
			o := &out[n]
			o.FirstSeen, o.CreatedAt = Earliest(o.FirstSeen, d.FirstSeen), Earliest(o.CreatedAt, d.CreatedAt)
			o.Fields.Merge(d.Fields)
		}
	}
	return out
}
