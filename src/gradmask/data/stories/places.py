"""Nouns for where things happen and what people think of: ``english spanish gender``, an irregular plural after a slash."""

from __future__ import annotations

PLACES = """
house casa f; village pueblo m; town villa f; city/cities ciudad f; market mercado m; school escuela f; library/libraries biblioteca f; church/churches iglesia f;
hospital hospital m; station estación f; harbour puerto m; bridge puente m; tower torre f; castle castillo m; palace palacio m; temple templo m;
mill molino m; farm granja f; barn granero m; stable establo m; garden jardín m; orchard huerto m; vineyard viñedo m; field campo m;
meadow prado m; forest bosque m; jungle selva f; hill colina f; mountain montaña f; valley valle m; cave cueva f; cliff acantilado m;
river río m; stream arroyo m; lake lago m; pond estanque m; waterfall cascada f; beach/beaches playa f; island isla f; desert desierto m;
square plaza f; park parque m; fountain fuente f; well pozo m; inn posada f; tavern taberna f; bakery/bakeries panadería f; workshop taller m;
factory/factories fábrica f; warehouse almacén m; shop tienda f; office oficina f; theatre teatro m; museum museo m; stadium estadio m; circus/circuses circo m;
zoo zoológico m; hotel hotel m; restaurant restaurante m; kitchen cocina f; cellar sótano m; attic desván m; balcony/balconies balcón m; courtyard patio m;
tunnel túnel m; mine mina f; quarry/quarries cantera f; lighthouse faro m; cemetery/cemeteries cementerio m; monastery/monasteries monasterio m; observatory/observatories observatorio m; greenhouse invernadero m;
cabin cabaña f; camp campamento m; swamp pantano m; chapel capilla f; cathedral catedral f; convent convento m; university/universities universidad f; laboratory/laboratories laboratorio m;
pharmacy/pharmacies farmacia f; bank banco m; prison cárcel f; courthouse juzgado m; embassy/embassies embajada f; fortress/fortresses fortaleza f;
shipyard astillero m; dock muelle m; canal canal m; dam presa f; crossroads/crossroads encrucijada f; avenue avenida f; alley callejón m; suburb suburbio m;
neighbourhood barrio m; plain llanura f; gorge desfiladero m; volcano/volcanoes volcán m; glacier glaciar m; lagoon laguna f; oasis/oases oasis m/oasis; dune duna f;
bay bahía f; cape cabo m; reef arrecife m; marsh/marshes marisma f; grove arboleda f; pasture pastizal m; henhouse gallinero m; sawmill aserradero m;
forge fragua f; winery/wineries bodega f; printing_house imprenta f; bookshop librería f; gym gimnasio m; pool piscina f; ballroom salón m; dining_room comedor m;
bedroom dormitorio m; corridor pasillo m; terrace terraza f; garage garaje m; basement subterráneo m; nursery/nurseries guardería f; playground recreo m; ruin ruina f
"""

PARTS = """
window ventana f; door puerta f; roof tejado m; wall pared f; gate portón m; chimney chimenea f; corner rincón m; floor suelo m;
ceiling techo m; staircase escalinata f; fence cerca f; threshold umbral m; column columna f; hallway vestíbulo m; skylight tragaluz m/tragaluces; railing barandilla f;
doorbell timbre m; stove estufa f; oven horno m; fireplace hogar m; entrance entrada f; exit salida f; edge borde m; path sendero m
"""

ABSTRACTS = """
secret secreto m; idea idea f; plan plan m; promise promesa f; dream sueño m; wish/wishes deseo m; question pregunta f; answer respuesta f;
problem problema m; riddle acertijo m; story/stories historia f; song canción f; poem poema m; joke chiste m; game juego m; dance baile m;
lesson lección f; rule norma f; mistake error m; surprise sorpresa f; adventure aventura f; journey viaje m; message mensaje m; rumour rumor m;
argument discusión f; bet apuesta f; favour favor m; reward recompensa f; trick truco m; custom costumbre f; memory/memories recuerdo m; name nombre m;
number número m; word palabra f; discovery/discoveries descubrimiento m; invention invento m; experiment experimento m; project proyecto m; task tarea f; contest concurso m;
celebration celebración f; legend leyenda f; mystery/mysteries misterio m; lie mentira f; truth verdad f; proverb refrán m; prayer oración f;
prophecy/prophecies profecía f; curse maldición f; miracle milagro m; doubt duda f; fear temor m; hope esperanza f; opinion opinión f; theory/theories teoría f;
proposal propuesta f; decision decisión f; agreement acuerdo m; treaty/treaties tratado m; law ley f; duty/duties deber m; privilege privilegio m; tradition tradición f;
ceremony/ceremonies ceremonia f; anniversary/anniversaries aniversario m; wedding boda f; expedition expedición f; rescue rescate m; robbery/robberies robo m; crime crimen m/crímenes; trial juicio m;
debt deuda f; inheritance herencia f; business/businesses negocio m; profession oficio m; habit hábito m; hobby/hobbies afición f; melody/melodies melodía f; chapter capítulo m;
tale cuento m; anecdote anécdota f; comedy/comedies comedia f; tragedy/tragedies tragedia f; speech/speeches discurso m; compliment elogio m; insult insulto m; excuse excusa f;
warning advertencia f; threat amenaza f; signal señal f; clue pista f; code clave f; formula fórmula f; method método m; strategy/strategies estrategia f
"""
