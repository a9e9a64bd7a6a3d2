package rabbitqueue

import "time"

// SetMaxHeld changes how long a frame may wait for its numbers.
func (o *Options) SetMaxHeld(d time.Duration) { o.maxHeld = d }
