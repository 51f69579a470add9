package idempotency

import "container/heap"

// ranking is a heap whose items know their places, so that any of them can be taken out.
type ranking[T any] struct {
	items  []T
	before func(a, b T) bool
	place  func(T) *int // where an item keeps its index in items
}

func (r *ranking[T]) add(x T)     { heap.Push(r, x) }
func (r *ranking[T]) remove(x T)  { heap.Remove(r, *r.place(x)) }
func (r *ranking[T]) changed(x T) { heap.Fix(r, *r.place(x)) }

// Len, Less, Swap, Push and Pop are for container/heap.
func (r *ranking[T]) Len() int           { return len(r.items) }
func (r *ranking[T]) Less(i, j int) bool { return r.before(r.items[i], r.items[j]) }
func (r *ranking[T]) Swap(i, j int) {
	r.items[i], r.items[j] = r.items[j], r.items[i]
	*r.place(r.items[i]), *r.place(r.items[j]) = i, j
}
func (r *ranking[T]) Push(x any) {
	*r.place(x.(T)) = len(r.items)
	r.items = append(r.items, x.(T))
}
func (r *ranking[T]) Pop() any {
	var none T
	n := len(r.items) - 1
	last := r.items[n]
	r.items[n] = none
	r.items = r.items[:n]
	return last
}
