-- A status is all that the export says of a refund.
WITH orders_ AS (
  SELECT _file, _line, "ID", lower(coalesce("Customer", "Client", "Cliente", "Kunde")) AS customer,
    coalesce("Total", "Totale", "Gesamt", "Gesamtbetrag", "Summe") AS total,
    coalesce("Payment", "Paiement", "Pago", "Pagamento", "Zahlung") AS payment,
    coalesce("Date", "Fecha", "Data", "Datum") AS day,
    lower(coalesce("Status", "État", "Estado", "Stato")) AS status
  FROM orders)
SELECT *,
  CASE
    WHEN regexp_matches(status, '^(cancell?ed|annul|cancelad|storniert)') THEN 'cancelled'
    WHEN regexp_matches(status, 'error|declined|erreur|fehler') THEN 'failed'
    WHEN regexp_matches(status, 'not paid|non payé|no pagado|non pagato|(nicht |un)bezahlt') THEN 'awaiting_payment'
    WHEN regexp_matches(status, '^(awaiting|waiting|pending|authori[sz]|en attente|en espera|in attesa|wart)')
      AND NOT regexp_matches(status, '[(](payé|pagado|pagato|bezahlt)[)]') THEN 'awaiting_payment'
  END AS sort,
  CASE WHEN regexp_matches(status, '^(refunded|remboursé|reembolsado|rimborsato|erstattet)$') THEN total
    WHEN regexp_matches(status, 'partial.*refund|rembours.*parti|reembols.*parcial|rimbors.*parzial|teil.*erstatt')
      THEN 'unknown' END AS order_refunded
FROM orders_
