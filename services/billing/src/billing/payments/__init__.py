"""Credits for money: what is offered, orders, and Stripe, whose word is checked before it is believed."""
