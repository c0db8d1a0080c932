"""Ten customers whose figures can all be computed on paper, on the snapshot day D, 20 June 2024.

The dates make the arithmetic easy: 21 May is 30 days before D (one half-life), 21 April 60, 22 March 90 and 21 February
120. D is the 172nd day of 2024, a leap year.

- ann  the best customer, exactly at every limit of High Value; also has events after D
- bob  exactly at every limit of Loyal; the favorite category is Unknown
- cat  one purchase, on D itself
- dan  no purchase by D, but tickets with every status, sessions, and a return
- eve  ties in payment method, category and brand; a mean that ends in half a cent
- fay  last purchase 121 days ago; returned one transaction twice; the only session has decayed to 0
- gus  last purchase exactly 120 days ago
- hal  unknown sign-up date and no events
- ivy  sign-up date after D, but a session before D
- jon  sign-up date and all events after D
- zoe  an orphan: not in customers
"""

from datetime import date

from cip_assets_tests.layers.chain import Sources
from cip_assets_tests.layers.frames import landed

D = date(2024, 6, 20)

CUSTOMERS = """
customer_id | first_name | last_name | email       | is_email_plausible | gender | date_of_birth | signup_date | region | customer_segment
ann         | Ann        | Abel      | ann@x.org   | true               | Female | 1980-02-29    | 2023-12-01  | North  | Consumer
bob         | Bob        | Berg      | bob.x.org   | false              | Male   |               | 2024-01-15  | South  | Corporate
cat         | Cat        | Cole      | cat@x.org   | true               | Female | 2001-01-01    | 2024-06-20  | North  | Consumer
dan         | Dan        |           |             |                    |        | 1990-05-05    | 2024-04-01  | East   |
eve         | Eve        | Elm       | eve@x.org   | true               | Other  | 1975-07-07    | 2024-02-01  | North  | Consumer
fay         | Fay        | Fox       | fay@x.org   | true               | Female | 1960-06-06    | 2023-06-06  | South  | Corporate
gus         | Gus        | Gray      | gus@x.org   | true               | Male   | 1985-08-08    | 2024-02-21  |        | Small Business
hal         | Hal        | Hill      | hal@x.org   | true               | Male   | 1999-09-09    |             | West   | Consumer
ivy         | Ivy        | Ives      | ivy@x.org   | true               | Female | 1995-05-15    | 2024-06-25  | East   | Consumer
jon         | Jon        | Jung      | jon@x.org   | true               | Male   | 1992-02-02    | 2024-06-22  | West   | Consumer
"""

PRODUCTS = """
product_id | product_name | category | brand | cost_price | selling_price
p1         | Lamp         | Home     | Acme  | 10.00      | 20.00
p2         | Kettle       | Kitchen  | Bolt  | 10.00      | 19.99
p3         | Desk         | Home     | Bolt  | 400.00     | 1000.00
p4         | Toaster      | Kitchen  | Acme  | 20.00      | 50.01
"""

# p9 is not in products, and a9 has no product. The last three rows are after D.
TRANSACTIONS = """
transaction_id | customer_id | product_id | quantity | price   | amount  | payment_method | transaction_date
a1             | ann         | p1         | 1        | 500.10  | 500.10  | Credit Card    | 2024-01-10
a2             | ann         | p2         | 1        | 499.90  | 499.90  | PayPal         | 2024-01-10
a3             | ann         | p3         | 1        | 700.00  | 700.00  | PayPal         | 2024-02-05
a4             | ann         | p4         | 2        | 150.00  | 300.00  | PayPal         | 2024-02-25
a5             | ann         | p1         | 3        | 150.00  | 450.00  | PayPal         | 2024-03-15
a6             | ann         | p2         | 1        | 550.00  | 550.00  | Credit Card    | 2024-03-31
a7             | ann         | p9         | 6        | 100.00  | 600.00  | Credit Card    | 2024-04-10
a8             | ann         | p2         | 1        | 400.00  | 400.00  | Credit Card    | 2024-05-01
a9             | ann         |            | 1        | 333.33  | 333.33  | Debit Card     | 2024-05-20
a10            | ann         | p3         | 1        | 666.67  | 666.67  | Debit Card     | 2024-05-21
b1             | bob         | p9         | 4        | 100.00  | 400.00  | Cash           | 2024-01-15
b2             | bob         | p1         | 1        | 100.00  | 100.00  | Cash           | 2024-02-10
b3             | bob         | p2         | 1        | 150.00  | 150.00  | Debit Card     | 2024-02-11
b4             | bob         | p3         | 1        | 150.00  | 150.00  | Debit Card     | 2024-03-10
b5             | bob         | p4         | 2        | 100.00  | 200.00  | Cash           | 2024-04-21
c1             | cat         | p2         | 1        | 19.99   | 19.99   | Gift Card      | 2024-06-20
e1             | eve         | p2         | 1        | 100.00  | 100.00  | PayPal         | 2024-02-14
e2             | eve         | p4         | 1        | 50.01   | 50.01   | Cash           | 2024-02-14
e3             | eve         | p1         | 5        | 20.00   | 100.00  | PayPal         | 2024-03-14
e4             | eve         | p3         | 1        | 50.01   | 50.01   | Cash           | 2024-04-21
f1             | fay         | p3         | 1        | 1000.00 | 1000.00 | Cash           | 2024-01-20
f2             | fay         | p1         | 1        | 0.01    | 0.01    | Bank Transfer  | 2024-02-20
g1             | gus         | p4         | 2        | 150.01  | 300.02  | Credit Card    | 2024-02-21
z1             | zoe         | p1         | 1        | 50.50   | 50.50   | PayPal         | 2024-03-05
z2             | zoe         | p2         | 2        | 13.60   | 27.20   | PayPal         | 2024-03-12
a11            | ann         | p2         | 1        | 999.00  | 999.00  | PayPal         | 2024-06-21
j1             | jon         | p1         | 1        | 10.00   | 10.00   | PayPal         | 2024-06-25
d1             | dan         | p1         | 1        | 20.00   | 20.00   | Cash           | 2024-06-30
"""

# r7 names one of ann's transactions, r9 and r10 name none, and r5 is after D.
RETURNS = """
return_id | transaction_id | customer_id | product_id | amount | return_reason | return_date
r1        | f1             | fay         | p3         | 300.00 | Damaged       | 2024-02-01
r2        | f1             | fay         | p3         | 200.00 | Other         | 2024-02-15
r3        | a7             | ann         | p9         | 100.00 | Changed Mind  | 2024-04-15
r4        | a9             | ann         |            | 333.33 | Damaged       | 2024-05-25
r5        | a10            | ann         | p3         | 666.67 | Damaged       | 2024-06-21
r6        | e1             | eve         | p2         | 33.34  | Other         | 2024-03-01
r7        | a1             | eve         | p1         | 5.00   | Other         | 2024-03-02
r8        | z1             | zoe         | p1         | 50.50  | Wrong Item    | 2024-04-02
r9        |                | gus         |            | 0.02   | Not Specified | 2024-03-20
r10       |                | dan         |            | 7.00   | Not Specified | 2024-05-05
"""

# k3 is resolved after D, k4 and k10 were resolved on an unknown day, and k8 and k11 are opened after D.
SUPPORT_TICKETS = """
ticket_id | customer_id | ticket_category | priority | status    | opened_date | resolved_date
k1        | dan         | Billing         | Medium   | Resolved  | 2024-05-01  | 2024-05-03
k2        | dan         | Billing         | High     | Open      | 2024-06-10  |
k3        | dan         | Delivery        | Low      | Resolved  | 2024-06-15  | 2024-06-25
k4        | dan         | General         | Low      | Closed    | 2024-04-01  |
k5        | dan         | General         | Low      | Closed    | 2024-05-10  | 2024-05-11
k6        | dan         | General         | Low      | Resolved  | 2024-05-12  | 2024-05-14
k7        | ann         | Account         | Urgent   | Resolved  | 2024-06-20  | 2024-06-20
k8        | ann         | Account         | Urgent   | Open      | 2024-06-21  |
k9        | eve         | Returns         | Medium   | Escalated | 2024-03-01  |
k10       | eve         | Returns         | Medium   | Resolved  | 2024-03-05  |
k11       | jon         | Account         | Medium   | Open      | 2024-06-23  |
k12       | zoe         | Account         | Medium   | Pending   | 2024-02-02  |
k13       | bob         | Account         | Medium   | Reopened  | 2024-04-30  |
"""

# Video is not in the rules, s12 has no activity type, and s4 and s14 are after D.
WEB_ACTIVITY = """
session_id | customer_id | activity_type    | product_id | timestamp
s1         | ann         | Checkout         |            | 2024-06-20 00:00:00
s2         | ann         | Add to Cart      | p1         | 2024-06-20 23:59:59
s3         | ann         | Page View        | p1         | 2024-05-21 08:00:00
s17        | ann         | Page View        | p2         | 2024-05-21 08:05:00
s22        | ann         | Page View        |            | 2024-02-21 10:00:00
s23        | ann         | Page View        |            | 2024-02-21 11:00:00
s24        | ann         | Page View        |            | 2024-02-21 12:00:00
s5         | bob         | Wishlist         | p1         | 2024-04-21
s6         | bob         | Cart View        |            | 2024-04-21
s19        | bob         | Page View        |            | 2024-02-21
s25        | bob         | Page View        |            | 2024-02-21
s7         | cat         | Product Click    | p2         | 2024-06-05 12:00:00
s8         | dan         | Remove from Cart |            | 2024-06-20 12:00:00
s9         | dan         | Search           |            | 2024-05-21 12:00:00
s10        | eve         | Page View        |            | 2024-06-20 12:00:00
s20        | eve         | Page View        |            | 2024-02-21 12:00:00
s21        | eve         | Page View        |            | 2024-02-21 13:00:00
s16        | fay         | Checkout         |            | 2021-01-01 12:00:00
s11        | gus         | Video            |            | 2024-05-21 12:00:00
s12        | gus         |                  |            | 2024-05-21 12:30:00
s18        | gus         | Page View        |            | 2024-02-21 12:00:00
s13        | ivy         | Checkout         |            | 2024-05-21 23:59:59
s15        | zoe         | Add to Cart      | p1         | 2024-03-22 12:00:00
s4         | ann         | Checkout         |            | 2024-06-21 00:00:00
s14        | jon         | Checkout         |            | 2024-06-22 12:00:00
"""


def ten_customers() -> Sources:
    """The rows of the six cleaned tables."""
    return {
        "customers": landed("customers", CUSTOMERS),
        "products": landed("products", PRODUCTS),
        "transactions": landed("transactions", TRANSACTIONS),
        "returns": landed("returns", RETURNS),
        "support_tickets": landed("support_tickets", SUPPORT_TICKETS),
        "web_activity": landed("web_activity", WEB_ACTIVITY),
    }
